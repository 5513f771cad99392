-- revision 0028
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE announcements (
    competition_id CHAR(32) NOT NULL
    title VARCHAR(120) NOT NULL
    body TEXT NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_announcements_competition_id_competitions FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT pk_announcements PRIMARY KEY (id)
);
CREATE TABLE api_tokens (
    user_id CHAR(32) NOT NULL
    name VARCHAR(80) NOT NULL
    digest VARCHAR(64) NOT NULL
    last_used_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    expires_at DATETIME DEFAULT '2027-12-31 00:00:00.000000' NOT NULL
    CONSTRAINT fk_api_tokens_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_api_tokens PRIMARY KEY (id)
    CONSTRAINT uq_api_tokens_digest UNIQUE (digest)
);
CREATE TABLE audit_events (
    actor VARCHAR(200) NOT NULL
    action VARCHAR(60) NOT NULL
    target VARCHAR(200) NOT NULL
    competition_id CHAR(32)
    details JSON NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_audit_events_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT pk_audit_events PRIMARY KEY (id)
);
CREATE TABLE competition_hosts (
    competition_id CHAR(32) NOT NULL
    user_id CHAR(32) NOT NULL
    CONSTRAINT fk_competition_hosts_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_competition_hosts_user_id FOREIGN KEY(user_id) REFERENCES users (id)
    CONSTRAINT pk_competition_hosts PRIMARY KEY (competition_id, user_id)
);
CREATE TABLE competitions (
    slug VARCHAR(63) NOT NULL
    title VARCHAR(120) NOT NULL
    specification JSON NOT NULL
    prepared JSON NOT NULL
    secret VARCHAR(64) NOT NULL
    opened_at DATETIME
    closed_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    checks_served_at DATETIME NOT NULL
    runs_served_at DATETIME NOT NULL
    public_starts_at DATETIME
    public_ends_at DATETIME
    final_ends_at DATETIME
    paused_at DATETIME
    finals_started_at DATETIME
    final_secret VARCHAR(64)
    revealed_at DATETIME
    board_version INTEGER DEFAULT '0' NOT NULL
    benchmark_secret VARCHAR(64)
    benchmark_started_at DATETIME
    benchmark_ended_at DATETIME
    edited_at DATETIME
    photographs_deleted_at DATETIME
    closing_told_for DATETIME
    CONSTRAINT pk_competitions PRIMARY KEY (id)
    CONSTRAINT uq_competitions_slug UNIQUE (slug)
);
CREATE TABLE counters (
    name VARCHAR(60) NOT NULL
    process VARCHAR(200) NOT NULL
    value DOUBLE NOT NULL
    CONSTRAINT pk_tallies PRIMARY KEY (name, process)
);
CREATE TABLE device_logins (
    digest VARCHAR(64) NOT NULL
    user_code VARCHAR(9) NOT NULL
    name VARCHAR(80) NOT NULL
    expires_at DATETIME NOT NULL
    polled_at DATETIME
    is_refused BOOLEAN NOT NULL
    user_id CHAR(32)
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_device_logins_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_device_logins PRIMARY KEY (id)
    CONSTRAINT uq_device_logins_digest UNIQUE (digest)
    CONSTRAINT uq_device_logins_user_code UNIQUE (user_code)
);
CREATE TABLE former_scores (
    score_id CHAR(32) NOT NULL
    scored_at DATETIME NOT NULL
    final_score DOUBLE NOT NULL
    interval_low DOUBLE NOT NULL
    interval_high DOUBLE NOT NULL
    forgetting_quality DOUBLE NOT NULL
    retain_ratio DOUBLE NOT NULL
    test_ratio DOUBLE NOT NULL
    replicates JSON NOT NULL
    receipt JSON NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    breakdown JSON
    CONSTRAINT fk_former_scores_score_id_scores FOREIGN KEY(score_id) REFERENCES scores (id) ON DELETE CASCADE
    CONSTRAINT pk_former_scores PRIMARY KEY (id)
);
CREATE TABLE idempotency_keys (
    user_id CHAR(32) NOT NULL
    "key" VARCHAR(200) NOT NULL
    request_sha256 VARCHAR(64) NOT NULL
    submission_id CHAR(32) NOT NULL
    status INTEGER NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_idempotency_keys_submission_id FOREIGN KEY(submission_id) REFERENCES submissions (id)
    CONSTRAINT fk_idempotency_keys_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (id)
    CONSTRAINT uq_idempotency_keys_user_id_key UNIQUE (user_id, "key")
);
CREATE TABLE known_addresses (
    digest VARCHAR(64) NOT NULL
    user_id CHAR(32) NOT NULL
    seen_at DATETIME NOT NULL
    CONSTRAINT fk_known_addresses_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_known_addresses PRIMARY KEY (digest)
);
CREATE TABLE leases (
    name VARCHAR(40) NOT NULL
    holder VARCHAR(200) NOT NULL
    expires_at DATETIME NOT NULL
    CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE mail_preferences (
    user_id CHAR(32) NOT NULL
    confirmed_at DATETIME
    notices JSON NOT NULL
    is_daily BOOLEAN NOT NULL
    "key" VARCHAR(64) NOT NULL
    CONSTRAINT fk_mail_preferences_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_mail_preferences PRIMARY KEY (user_id)
    CONSTRAINT uq_mail_preferences_key UNIQUE ("key")
);
CREATE TABLE mailed_secrets (
    user_id CHAR(32) NOT NULL
    purpose VARCHAR(8) NOT NULL
    address VARCHAR(254) NOT NULL
    digest VARCHAR(64) NOT NULL
    expires_at DATETIME NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_mailed_secrets_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_mailed_secrets PRIMARY KEY (id)
    CONSTRAINT uq_mailed_secrets_digest UNIQUE (digest)
);
CREATE TABLE model_orders (
    bank_digest VARCHAR(64) NOT NULL
    model_index INTEGER NOT NULL
    state VARCHAR(8) NOT NULL
    token INTEGER NOT NULL
    breakdowns INTEGER NOT NULL
    worker VARCHAR(200)
    worker_key_id CHAR(32)
    lease_expires_at DATETIME
    message TEXT
    done_at DATETIME
    available_at DATETIME
    CONSTRAINT fk_model_orders_bank_digest FOREIGN KEY(bank_digest) REFERENCES oracle_banks (digest)
    CONSTRAINT fk_model_orders_worker_key_id FOREIGN KEY(worker_key_id) REFERENCES worker_keys (id)
    CONSTRAINT pk_model_orders PRIMARY KEY (bank_digest, model_index)
);
CREATE TABLE oracle_banks (
    digest VARCHAR(64) NOT NULL
    identity JSON NOT NULL
    torch VARCHAR(64) NOT NULL
    needs_gpu BOOLEAN NOT NULL
    offered INTEGER NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT pk_oracle_banks PRIMARY KEY (digest)
);
CREATE TABLE outbox_mails (
    user_id CHAR(32)
    kind VARCHAR(16) NOT NULL
    details JSON NOT NULL
    due_at DATETIME NOT NULL
    retry_at DATETIME NOT NULL
    attempts INTEGER NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_outbox_mails_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_outbox_mails PRIMARY KEY (id)
);
CREATE TABLE output_packs (
    submission_id CHAR(32) NOT NULL
    generation INTEGER NOT NULL
    "key" VARCHAR(300) NOT NULL
    sha256 VARCHAR(64) NOT NULL
    size_bytes BIGINT NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    further JSON
    CONSTRAINT fk_output_packs_submission_id FOREIGN KEY(submission_id) REFERENCES submissions (id)
    CONSTRAINT pk_output_packs PRIMARY KEY (id)
    CONSTRAINT uq_output_packs_submission_id_generation UNIQUE (submission_id, generation)
);
CREATE TABLE overview_plots (
    competition_id CHAR(32) NOT NULL
    evaluation VARCHAR(8) NOT NULL
    board_version INTEGER NOT NULL
    drawn_at DATETIME NOT NULL
    plot JSON NOT NULL
    CONSTRAINT fk_overview_plots_competition_id_competitions FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT pk_overview_plots PRIMARY KEY (competition_id, evaluation)
);
CREATE TABLE registration_invites (
    digest VARCHAR(64) NOT NULL
    expires_at DATETIME NOT NULL
    user_id CHAR(32)
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_registration_invites_user_id FOREIGN KEY(user_id) REFERENCES users (id)
    CONSTRAINT pk_registration_invites PRIMARY KEY (id)
    CONSTRAINT uq_registration_invites_digest UNIQUE (digest)
);
CREATE TABLE scores (
    competition_id CHAR(32) NOT NULL
    submission_id CHAR(32)
    generation INTEGER NOT NULL
    reference VARCHAR(16)
    final_score DOUBLE NOT NULL
    interval_low DOUBLE NOT NULL
    interval_high DOUBLE NOT NULL
    forgetting_quality DOUBLE NOT NULL
    retain_ratio DOUBLE NOT NULL
    test_ratio DOUBLE NOT NULL
    replicates JSON NOT NULL
    receipt JSON NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    evaluation VARCHAR(8) DEFAULT 'public' NOT NULL
    plots JSON
    measures JSON
    shown_measures JSON DEFAULT '{}' NOT NULL
    measures_asked BOOLEAN DEFAULT 0 NOT NULL
    breakdown JSON
    CONSTRAINT ck_scores_finite CHECK (final_score BETWEEN -1e300 AND 1e300 AND interval_low BETWEEN -1e300 AND 1e300 AND interval_high BETWEEN -1e300 AND 1e300 AND forgetting_quality BETWEEN -1e300 AND 1e300 AND retain_ratio BETWEEN -1e300 AND 1e300 AND test_ratio BETWEEN -1e300 AND 1e300)
    CONSTRAINT fk_scores_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_scores_submission_id FOREIGN KEY(submission_id) REFERENCES submissions (id)
    CONSTRAINT pk_scores PRIMARY KEY (id)
    CONSTRAINT uq_scores_competition_id_evaluation_reference UNIQUE (competition_id, evaluation, reference)
    CONSTRAINT uq_scores_submission_id_generation UNIQUE (submission_id, generation)
);
CREATE TABLE sign_in_identities (
    user_id CHAR(32) NOT NULL
    issuer VARCHAR(300) NOT NULL
    subject VARCHAR(255) NOT NULL
    label VARCHAR(254) NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_sign_in_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_sign_in_identities PRIMARY KEY (id)
    CONSTRAINT uq_sign_in_identities_issuer_subject UNIQUE (issuer, subject)
);
CREATE TABLE standings (
    team_id CHAR(32) NOT NULL
    evaluation VARCHAR(8) NOT NULL
    competition_id CHAR(32) NOT NULL
    score_id CHAR(32) NOT NULL
    rank INTEGER
    position INTEGER NOT NULL
    entries INTEGER NOT NULL
    last_scored_at DATETIME
    updated_at DATETIME NOT NULL
    rank_before INTEGER
    ranked_on DATE
    score_history JSON DEFAULT '[]' NOT NULL
    CONSTRAINT fk_standings_competition_id_competitions FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_standings_score_id_scores FOREIGN KEY(score_id) REFERENCES scores (id)
    CONSTRAINT fk_standings_team_id_teams FOREIGN KEY(team_id) REFERENCES teams (id)
    CONSTRAINT pk_standings PRIMARY KEY (team_id, evaluation)
);
CREATE TABLE submissions (
    competition_id CHAR(32) NOT NULL
    team_id CHAR(32) NOT NULL
    user_id CHAR(32) NOT NULL
    filename VARCHAR(200) NOT NULL
    source_key VARCHAR(300) NOT NULL
    source_sha256 VARCHAR(64) NOT NULL
    state VARCHAR(16) NOT NULL
    owner VARCHAR(16)
    fault_code VARCHAR(40)
    fault_message TEXT
    fault_line INTEGER
    check_report JSON
    generation INTEGER NOT NULL
    seed_epoch INTEGER NOT NULL
    runs_total INTEGER NOT NULL
    finished_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    notes JSON
    is_charged BOOLEAN DEFAULT 1 NOT NULL
    request_id VARCHAR(32)
    deadline_at DATETIME NOT NULL
    evaluation VARCHAR(8) DEFAULT 'public' NOT NULL
    origin_id CHAR(32)
    fault_stage VARCHAR(8)
    runs_shown INTEGER DEFAULT '0' NOT NULL
    runs_shown_at DATETIME
    selected_at DATETIME
    disqualified_reason VARCHAR(500)
    seed_rule INTEGER DEFAULT '1' NOT NULL
    form_sha256 VARCHAR(64)
    shape_sha256 VARCHAR(64)
    runs_shown_before INTEGER DEFAULT '0' NOT NULL
    upload_sha256 VARCHAR(64)
    method VARCHAR(80)
    note VARCHAR(300)
    link VARCHAR(300)
    licence VARCHAR(24)
    published_at DATETIME
    looks JSON
    stopped_after INTEGER
    runs_whole BOOLEAN DEFAULT 0 NOT NULL
    completed_at DATETIME
    CONSTRAINT ck_submissions_final_has_origin CHECK ((evaluation = 'final') = (origin_id IS NOT NULL))
    CONSTRAINT fk_submissions_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_submissions_origin_id_submissions FOREIGN KEY(origin_id) REFERENCES submissions (id)
    CONSTRAINT fk_submissions_team_id FOREIGN KEY(team_id) REFERENCES teams (id)
    CONSTRAINT fk_submissions_user_id FOREIGN KEY(user_id) REFERENCES users (id)
    CONSTRAINT pk_submissions PRIMARY KEY (id)
    CONSTRAINT uq_submissions_origin_id UNIQUE (origin_id)
);
CREATE TABLE team_invites (
    team_id CHAR(32) NOT NULL
    created_by CHAR(32) NOT NULL
    digest VARCHAR(64) NOT NULL
    expires_at DATETIME NOT NULL
    accepted_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_team_invites_created_by FOREIGN KEY(created_by) REFERENCES users (id)
    CONSTRAINT fk_team_invites_team_id FOREIGN KEY(team_id) REFERENCES teams (id) ON DELETE CASCADE
    CONSTRAINT pk_team_invites PRIMARY KEY (id)
    CONSTRAINT uq_team_invites_digest UNIQUE (digest)
);
CREATE TABLE team_members (
    competition_id CHAR(32) NOT NULL
    user_id CHAR(32) NOT NULL
    team_id CHAR(32) NOT NULL
    CONSTRAINT fk_team_members_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_team_members_team_id_competition_id FOREIGN KEY(team_id, competition_id) REFERENCES teams (id, competition_id) ON DELETE CASCADE
    CONSTRAINT fk_team_members_user_id FOREIGN KEY(user_id) REFERENCES users (id)
    CONSTRAINT pk_team_members PRIMARY KEY (competition_id, user_id)
);
CREATE TABLE teams (
    competition_id CHAR(32) NOT NULL
    name VARCHAR(40) NOT NULL
    name_key VARCHAR(80) NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    is_baseline BOOLEAN DEFAULT 0 NOT NULL
    disqualified_reason VARCHAR(500)
    submissions INTEGER DEFAULT '0' NOT NULL
    name_skeleton VARCHAR(160)
    CONSTRAINT fk_teams_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT pk_teams PRIMARY KEY (id)
    CONSTRAINT uq_teams_competition_id_name_key UNIQUE (competition_id, name_key)
    CONSTRAINT uq_teams_id_competition_id UNIQUE (id, competition_id)
);
CREATE TABLE terms_acceptances (
    competition_id CHAR(32) NOT NULL
    user_id CHAR(32) NOT NULL
    terms_sha256 VARCHAR(64) NOT NULL
    accepted_at DATETIME NOT NULL
    CONSTRAINT fk_terms_acceptances_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_terms_acceptances_user_id FOREIGN KEY(user_id) REFERENCES users (id)
    CONSTRAINT pk_terms_acceptances PRIMARY KEY (competition_id, user_id, terms_sha256)
);
CREATE TABLE upload_attempts (
    day DATE NOT NULL
    subject VARCHAR(100) NOT NULL
    count INTEGER NOT NULL
    CONSTRAINT pk_upload_attempts PRIMARY KEY (day, subject)
);
CREATE TABLE users (
    username VARCHAR(40) NOT NULL
    username_key VARCHAR(80) NOT NULL
    email VARCHAR(254) NOT NULL
    email_key VARCHAR(254) NOT NULL
    password_hash VARCHAR(200) NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    is_operator BOOLEAN DEFAULT 0 NOT NULL
    disabled_at DATETIME
    username_skeleton VARCHAR(160)
    CONSTRAINT pk_users PRIMARY KEY (id)
    CONSTRAINT uq_users_email_key UNIQUE (email_key)
    CONSTRAINT uq_users_username_key UNIQUE (username_key)
);
CREATE TABLE web_sessions (
    user_id CHAR(32) NOT NULL
    digest VARCHAR(64) NOT NULL
    expires_at DATETIME NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_web_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
    CONSTRAINT pk_web_sessions PRIMARY KEY (id)
    CONSTRAINT uq_web_sessions_digest UNIQUE (digest)
);
CREATE TABLE webhook_deliveries (
    webhook_id CHAR(32) NOT NULL
    event VARCHAR(16) NOT NULL
    payload JSON NOT NULL
    due_at DATETIME NOT NULL
    retry_at DATETIME
    attempts INTEGER NOT NULL
    tried_at DATETIME
    delivered_at DATETIME
    status INTEGER
    answer VARCHAR(1000) NOT NULL
    problem VARCHAR(300) NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_webhook_deliveries_webhook_id FOREIGN KEY(webhook_id) REFERENCES webhooks (id) ON DELETE CASCADE
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id)
);
CREATE TABLE webhooks (
    competition_id CHAR(32) NOT NULL
    team_id CHAR(32)
    url VARCHAR(500) NOT NULL
    secret VARCHAR(64) NOT NULL
    events JSON NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_webhooks_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id) ON DELETE CASCADE
    CONSTRAINT fk_webhooks_team_id FOREIGN KEY(team_id) REFERENCES teams (id) ON DELETE CASCADE
    CONSTRAINT pk_webhooks PRIMARY KEY (id)
);
CREATE TABLE work_items (
    submission_id CHAR(32) NOT NULL
    generation INTEGER NOT NULL
    stage VARCHAR(8) NOT NULL
    chunk INTEGER NOT NULL
    first_run INTEGER NOT NULL
    run_count INTEGER NOT NULL
    state VARCHAR(8) NOT NULL
    attempt INTEGER NOT NULL
    token INTEGER NOT NULL
    worker_key_id CHAR(32)
    worker VARCHAR(200)
    sandbox_mode VARCHAR(100)
    environment JSON
    lease_expires_at DATETIME
    finished JSON NOT NULL
    done_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    competition_id CHAR(32) NOT NULL
    team_id CHAR(32) NOT NULL
    turn BIGINT NOT NULL
    losses INTEGER NOT NULL
    claimed_at DATETIME
    available_at DATETIME
    faults INTEGER DEFAULT '0' NOT NULL
    part INTEGER DEFAULT '0' NOT NULL
    CONSTRAINT fk_work_items_competition_id FOREIGN KEY(competition_id) REFERENCES competitions (id)
    CONSTRAINT fk_work_items_submission_id FOREIGN KEY(submission_id) REFERENCES submissions (id)
    CONSTRAINT fk_work_items_team_id FOREIGN KEY(team_id) REFERENCES teams (id)
    CONSTRAINT fk_work_items_worker_key_id FOREIGN KEY(worker_key_id) REFERENCES worker_keys (id)
    CONSTRAINT pk_work_items PRIMARY KEY (id)
    CONSTRAINT uq_work_items_submission_id_generation_stage_chunk UNIQUE (submission_id, generation, stage, chunk)
);
CREATE TABLE worker_faults (
    work_item_id CHAR(32) NOT NULL
    worker_key_id CHAR(32) NOT NULL
    worker VARCHAR(200) NOT NULL
    done_elsewhere_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT fk_worker_faults_work_item_id_work_items FOREIGN KEY(work_item_id) REFERENCES work_items (id) ON DELETE CASCADE
    CONSTRAINT fk_worker_faults_worker_key_id_worker_keys FOREIGN KEY(worker_key_id) REFERENCES worker_keys (id) ON DELETE CASCADE
    CONSTRAINT pk_worker_faults PRIMARY KEY (id)
);
CREATE TABLE worker_keys (
    name VARCHAR(80) NOT NULL
    digest VARCHAR(64) NOT NULL
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    CONSTRAINT pk_worker_keys PRIMARY KEY (id)
    CONSTRAINT uq_worker_keys_digest UNIQUE (digest)
    CONSTRAINT uq_worker_keys_name UNIQUE (name)
);
CREATE TABLE workers (
    worker_key_id CHAR(32) NOT NULL
    name VARCHAR(200) NOT NULL
    capabilities JSON NOT NULL
    seen_at DATETIME NOT NULL
    left_at DATETIME
    id CHAR(32) NOT NULL
    created_at DATETIME NOT NULL
    admission VARCHAR(8) DEFAULT 'open' NOT NULL
    quarantined_at DATETIME
    CONSTRAINT fk_workers_worker_key_id FOREIGN KEY(worker_key_id) REFERENCES worker_keys (id)
    CONSTRAINT pk_workers PRIMARY KEY (id)
    CONSTRAINT uq_workers_worker_key_id_name UNIQUE (worker_key_id, name)
);
CREATE INDEX ix_announcements_competition_created ON announcements (competition_id, created_at);
CREATE INDEX ix_api_tokens_user_id ON api_tokens (user_id);
CREATE INDEX ix_audit_events_actor ON audit_events (actor);
CREATE INDEX ix_audit_events_competition_created ON audit_events (competition_id, created_at, id);
CREATE INDEX ix_audit_events_created ON audit_events (created_at, id);
CREATE INDEX ix_competition_hosts_user_id ON competition_hosts (user_id);
CREATE INDEX ix_device_logins_user_id ON device_logins (user_id);
CREATE INDEX ix_former_scores_score ON former_scores (score_id, created_at);
CREATE INDEX ix_known_addresses_user_id ON known_addresses (user_id);
CREATE INDEX ix_mailed_secrets_user_id ON mailed_secrets (user_id);
CREATE INDEX ix_model_orders_state ON model_orders (state);
CREATE INDEX ix_outbox_mails_retry ON outbox_mails (retry_at);
CREATE INDEX ix_outbox_mails_user_id ON outbox_mails (user_id);
CREATE INDEX ix_scores_best ON scores (competition_id, evaluation, final_score);
CREATE INDEX ix_scores_undrawn ON scores (created_at) WHERE plots IS NULL AND submission_id IS NOT NULL;
CREATE INDEX ix_scores_unmeasured ON scores (created_at) WHERE measures IS NULL OR measures_asked;
CREATE INDEX ix_sign_in_identities_user_id ON sign_in_identities (user_id);
CREATE INDEX ix_standings_board ON standings (competition_id, evaluation, position);
CREATE INDEX ix_standings_updated ON standings (competition_id, evaluation, updated_at);
CREATE INDEX ix_submissions_competition_created ON submissions (competition_id, created_at);
CREATE INDEX ix_submissions_competition_state ON submissions (competition_id, state);
CREATE INDEX ix_submissions_published ON submissions (competition_id, created_at) WHERE licence IS NOT NULL;
CREATE INDEX ix_submissions_state_deadline ON submissions (state, deadline_at);
CREATE INDEX ix_submissions_team_created ON submissions (team_id, created_at);
CREATE INDEX ix_submissions_team_form ON submissions (team_id, form_sha256);
CREATE INDEX ix_submissions_team_shape ON submissions (team_id, shape_sha256);
CREATE INDEX ix_submissions_team_source ON submissions (team_id, source_sha256);
CREATE INDEX ix_team_invites_created_by ON team_invites (created_by);
CREATE INDEX ix_team_invites_team_id ON team_invites (team_id);
CREATE INDEX ix_team_members_team_id ON team_members (team_id);
CREATE UNIQUE INDEX ix_teams_competition_skeleton ON teams (competition_id, name_skeleton);
CREATE UNIQUE INDEX ix_users_username_skeleton ON users (username_skeleton);
CREATE INDEX ix_web_sessions_user_id ON web_sessions (user_id);
CREATE INDEX ix_webhook_deliveries_retry ON webhook_deliveries (retry_at);
CREATE INDEX ix_webhook_deliveries_webhook_created ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX ix_webhooks_competition ON webhooks (competition_id, team_id);
CREATE INDEX ix_webhooks_team_id ON webhooks (team_id);
CREATE INDEX ix_work_items_claim ON work_items (state, stage, created_at);
CREATE INDEX ix_work_items_done ON work_items (stage, done_at) WHERE done_at IS NOT NULL;
CREATE INDEX ix_work_items_team_turn ON work_items (team_id, stage, turn);
CREATE INDEX ix_work_items_turn ON work_items (competition_id, stage, state, turn, created_at);
CREATE INDEX ix_work_items_waiting ON work_items (competition_id, stage, turn, created_at) WHERE state = 'ready';
CREATE INDEX ix_worker_faults_work_item_id ON worker_faults (work_item_id);
CREATE INDEX ix_worker_faults_worker_key_id_worker ON worker_faults (worker_key_id, worker);

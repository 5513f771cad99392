FROM lethe-tests/debian
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-17
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data
RUN install -d -m 0700 -o postgres -g postgres "$PGDATA" && install -d -o postgres -g postgres /run/postgresql
COPY --chmod=0755 postgres-entrypoint /usr/local/bin/
USER postgres
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["postgres-entrypoint"]

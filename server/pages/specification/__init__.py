"""The form in which a host edits what a competition's specification may say differently."""

"""The form that uploads a submission, and the starter files."""

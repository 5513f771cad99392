FROM lethe-tests/debian
RUN apt-get update && apt-get install -y --no-install-recommends redis-server
USER redis
CMD ["redis-server", "--protected-mode", "no"]

FROM lethe-tests/debian
RUN apt-get update && apt-get install -y --no-install-recommends python3 && ln -s python3 /usr/bin/python
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

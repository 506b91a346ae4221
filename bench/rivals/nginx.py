"""nginx, one worker, that gives one fixed answer: the limit of the machine."""

import os
import sys
from pathlib import Path

CONFIGURATION = """
daemon off; master_process on; worker_processes 1; pid {place}/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {place}/nginx-body; proxy_temp_path {place}/nginx-proxy;
  fastcgi_temp_path {place}/nginx-fastcgi; uwsgi_temp_path {place}/nginx-uwsgi; scgi_temp_path {place}/nginx-scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{{"prediction":0,"score":0.000001}}'; }}
  }}
}}
"""

if __name__ == "__main__":
    port, place = sys.argv[1:3]
    file = Path(place) / "nginx.conf"
    file.write_text(CONFIGURATION.format(port=port, place=place))
    os.execvp("nginx", ["nginx", "-c", str(file), "-p", place])

"""Swap a face by a lendface server: python swap_with_client.py me.jpg clip.mp4 out.mp4"""

import os
import sys

from lendface.client import Client

source, target, output = sys.argv[1:]
with Client(os.environ["LENDFACE_URL"], os.environ["LENDFACE_KEY"]) as client:
    job = client.swap(source=source, target=target)
    job = client.wait(job, on_progress=lambda now: print(f"{now.stage} {now.share:.0%}"))
    print("written to", client.download(job, output))

# What the tests ask of an S3 server, past planb: s3.py ENDPOINT KEY SECRET OPERATION ARGUMENTS...
import json, sys, time
import boto3
from botocore.config import Config

endpoint, key, secret, operation, *args = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    aws_access_key_id=key,
    aws_secret_access_key=secret,
    region_name="us-east-1",
    config=Config(connect_timeout=2, read_timeout=30, retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
)


def ready():
    """Up is not ready: the first write has to wait for volumes."""
    end = time.monotonic() + 60
    while True:
        try:
            s3.create_bucket(Bucket="ready-probe")
            s3.put_object(Bucket="ready-probe", Key="x", Body=b"x")
            s3.delete_object(Bucket="ready-probe", Key="x")
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def objects(bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [[item["Key"], item["Size"]] for page in pages for item in page.get("Contents", [])]


def uploads(bucket):
    return [item["Key"] for item in s3.list_multipart_uploads(Bucket=bucket).get("Uploads") or []]


if operation == "ready":
    ready()
elif operation == "create":
    s3.create_bucket(Bucket=args[0])
elif operation == "objects":
    print(json.dumps(objects(args[0])))
elif operation == "uploads":
    print(json.dumps(uploads(args[0])))
elif operation == "get":
    sys.stdout.buffer.write(s3.get_object(Bucket=args[0], Key=args[1])["Body"].read())
elif operation == "put":
    s3.put_object(Bucket=args[0], Key=args[1], Body=sys.stdin.buffer.read())
elif operation == "delete":
    s3.delete_object(Bucket=args[0], Key=args[1])
else:
    sys.exit("unknown operation " + operation)

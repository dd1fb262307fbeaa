from tests.support.stores import bucket, s3_endpoint, s3_server

__all__ = ["bucket", "s3_endpoint", "s3_server"]

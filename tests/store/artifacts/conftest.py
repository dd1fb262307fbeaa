from tests.support.stores import bucket, head, head_place, place, s3_endpoint, s3_server

__all__ = ["bucket", "head", "head_place", "place", "s3_endpoint", "s3_server"]

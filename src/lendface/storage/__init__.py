"""Database tables and their migrations; blobs in a folder or an S3 bucket."""

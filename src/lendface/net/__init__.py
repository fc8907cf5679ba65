"""What leaves this server: fetching users' URLs and sending webhooks."""

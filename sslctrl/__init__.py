"""The core of sslctrl: objectives, the video store, fit, embeddings, rewards, metrics. Importing it is light."""

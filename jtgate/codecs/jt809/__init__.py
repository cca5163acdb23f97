"""JT/T 809: frames between supervising platforms 平台数据交换, and the messages read so far."""

"""hocket: realtime reinforcement learning with staggered asynchronous inference."""

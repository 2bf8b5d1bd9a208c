"""Instruments for tests."""

import hocket


class AtTheStart(hocket.Instrument):
    """Calls a function when the run is about to begin."""

    def __init__(self, what):
        self.what = what

    def on_start(self, run):
        self.what()


class Notes(hocket.Instrument):
    """Records the arguments of every hook."""

    def __init__(self):
        self.runs, self.moments, self.started, self.finished, self.ended = [], [], [], [], []
        self.progresses, self.evaluations, self.stops = [], [], 0

    def on_start(self, run):
        self.runs.append(run)

    def on_tick(self, moment):
        self.moments.append(moment)

    def on_inference_started(self, inference):
        self.started.append(inference)

    def on_inference_finished(self, inference):
        self.finished.append(inference)

    def on_inference(self, inference):
        self.ended.append(inference)

    def on_training(self, progress):
        self.progresses.append(progress)

    def on_evaluation(self, tick, mean_return):
        self.evaluations.append((tick, mean_return))

    def on_stop(self):
        self.stops += 1

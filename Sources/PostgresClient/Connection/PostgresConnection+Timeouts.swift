import EventLoop

/// The time that calls have.
extension PostgresConnection {
    /// Sets when the time of a call is up.
    ///
    /// Nearly every call ends long before. So the connection has one timer for all, and the end of a call
    /// does not touch it: it is never later than the first deadline, and when it fires it is set for the
    /// deadline that is first by then.
    func bound(_ call: Call, to timeout: Duration) {
        call.deadline = loop.deadline(after: timeout)
        if call.deadline < timerDeadline { setTimer(for: call.deadline) }
    }

    private func setTimer(for deadline: Deadline) {
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.schedule(at: deadline) { [weak self] in self?.endFirstDeadline() }
    }

    private func endFirstDeadline() {
        timer = nil
        timerDeadline = .never
        let waiting = calls.all + held.map(\.call)
        guard let first = waiting.min(by: { $0.deadline < $1.deadline }),
            first.deadline < .never
        else { return }
        if loop.hasReached(first.deadline) {
            timeOut(first)
        } else {
            setTimer(for: first.deadline)
        }
    }
}

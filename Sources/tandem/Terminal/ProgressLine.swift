import EventLoop

/// A line on a terminal's standard error that says what takes so long.
enum ProgressLine {
    /// Runs the body; after a second, and then every second, the line says for how long it has run.
    ///
    /// It is gone when the body ends. Nothing is shown where no person looks.
    static func during<Result: Sendable, Failure: Error>(
        _ what: String?, _ body: () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        guard let what, Terminal.error.isInteractive else { return try await body() }
        let isShown = Lock(false)
        let began = ContinuousClock.now
        let ticker = Task {
            while true {
                try await Task.sleep(for: .seconds(1))
                let age = (ContinuousClock.now - began).written
                let line = "\(what) (\(age))".cut(to: Terminal.error.size.columns - 1)
                isShown.withLock {
                    $0 = true
                    guard !Task.isCancelled else { return }
                    Terminal.error.write("\r\u{1B}[K\(line)")
                }
            }
        }
        defer {
            ticker.cancel()
            isShown.withLock { if $0 { Terminal.error.write("\r\u{1B}[K") } }
        }
        return try await body()
    }
}

/// What a screen can show, and the time to which its ages refer.
struct Screen {
    var width: Int?
    var hasColors = false
    var moment: Moment

    /// Standard output, now.
    static var output: Screen {
        Screen(
            width: Terminal.output.width, hasColors: Terminal.output.hasColors, moment: .now)
    }

    func lines(of table: TextTable) -> [String] {
        table.lines(width: width, hasColors: hasColors)
    }

    func painted(_ text: String, _ emphasis: Emphasis) -> String {
        emphasis.applied(to: Terminal.printable(text), if: hasColors)
    }
}

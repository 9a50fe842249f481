import CoordinatorAPI
import EventLoop
import Logging
import Testing

@testable import tandem

@Suite("Log lines")
struct LogTests {
    /// Keeps the lines that a logger writes, and says what time it is.
    private final class Site: Sendable {
        let lines = Lock<[String]>([])
        let time = Lock(ContinuousClock.now)

        private var handler: JSONLogHandler {
            JSONLogHandler(
                write: { line in
                    self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
                }, now: { 1_500_000 })
        }

        func logger(window: Duration = .zero) -> Logger {
            Logger(label: "test") { _ in
                RepeatLimitingLogHandler(
                    self.handler, window: window, now: { self.time.withLock { $0 } })
            }
        }

        /// A logger of what anybody can cause.
        func auditLogger() -> Logger {
            Logger(label: "audit") { _ in
                RepeatLimitingLogHandler(
                    self.handler, window: .seconds(10), subject: ["actor", "address"],
                    writesUnremembered: false, now: { self.time.withLock { $0 } })
            }
        }

        func pass(_ duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
    }

    private let site = Site()

    @Test func `are JSON objects with time, level, message and metadata`() {
        var logger = site.logger()
        logger[metadataKey: "replica"] = "replica-1"
        logger.warning(
            "a \"line\"\nof two",
            metadata: ["transaction": "1-2", "level": "mine", "list": ["a", ["b": "c"]]])
        #expect(
            site.lines.withLock { $0 } == [
                #"{"time":"1970-01-01T00:00:01.500000Z","level":"warning","#
                    + #""message":"a \"line\"\nof two","metadata.level":"mine","#
                    + #""list":["a",{"b":"c"}],"replica":"replica-1","transaction":"1-2"}"# + "\n"
            ])
    }

    private var leftOut: [String?] {
        site.lines.withLock { $0 }.map { line in
            (try? JSONReader.read(Array(line.utf8)))?["leftOut"]?.string
        }
    }

    @Test func `repeat a message about one participant once in a window, and count the rest`() {
        let logger = site.logger(window: .seconds(10))
        for _ in 0..<5 { logger.warning("down", metadata: ["participant": "users", "n": "1"]) }
        logger.warning("down", metadata: ["participant": "orders"])
        logger.notice("up", metadata: ["participant": "users"])
        #expect(leftOut == [nil, nil, nil])
        site.pass(.seconds(10))
        for _ in 0..<2 { logger.warning("down", metadata: ["participant": "users"]) }
        #expect(leftOut == [nil, nil, nil, "4"])
        site.pass(.seconds(10))
        logger.warning("down", metadata: ["participant": "users"])
        #expect(leftOut == [nil, nil, nil, "4", "1"])
    }

    @Test func `never leave an error out, nor anything without a window`() {
        for _ in 0..<3 { site.logger(window: .seconds(10)).error("lost") }
        let logger = site.logger()
        for _ in 0..<3 { logger.warning("down") }
        #expect(leftOut.count == 6)
    }

    @Test func `of one caller do not hide those of another, and nobody can fill an audit log`() {
        let logger = site.auditLogger()
        for _ in 0..<3 {
            for address in ["127.0.0.1", "127.0.0.2"] {
                logger.notice("refused", metadata: ["address": "\(address)", "subject": "x"])
            }
        }
        #expect(leftOut.count == 2)
        for number in 0..<5000 { logger.notice("refused", metadata: ["address": "\(number)"]) }
        // As many kinds as are remembered, and one line for all others.
        #expect(leftOut.count == 1025)
        site.pass(.seconds(10))
        for number in 5000..<6024 { logger.notice("refused", metadata: ["address": "\(number)"]) }
        logger.notice("refused", metadata: ["address": "one more"])
        #expect(leftOut.suffix(2).contains { $0 != nil })
    }

    @Test func `are written all if there are too many kinds to remember`() {
        let logger = site.logger(window: .seconds(10))
        for _ in 0..<2 {
            for number in 0..<1100 {
                logger.notice("down", metadata: ["transaction": "\(number)"])
            }
        }
        // The first 1024 kinds are remembered, and left out the second time.
        #expect(leftOut.count == 1100 + 76)
    }
}

import CoordinatorAPI
import Foundation

/// What one measurement has found.
struct BenchRow: Sendable {
    let clients: Int
    /// Of the transactions that committed.
    var latencies: [Duration] = []
    var elapsed = Duration.zero
    private(set) var abortedCount = 0
    /// Why the first one was aborted that was.
    private(set) var firstProblem: String?

    init(clients: Int) { self.clients = clients }

    mutating func abort(because problem: [UInt8]?) {
        abortedCount += 1
        guard firstProblem == nil, let problem else { return }
        firstProblem = (try? JSONReader.read(problem))?["detail"]?.string
    }

    /// Committed transactions a second.
    var throughput: Double {
        elapsed > .zero ? Double(latencies.count) / (elapsed / .seconds(1)) : 0
    }

    /// Of so many in a hundred, the slowest one's time in milliseconds; nil if none committed.
    func latency(percentile: Int) -> Double? {
        guard !latencies.isEmpty else { return nil }
        let place = (latencies.count * percentile + 99) / 100 - 1
        return latencies.sorted()[max(0, place)] / .milliseconds(1)
    }
}

/// The measurements, and the sizes that follow from them.
struct BenchReport {
    /// What is enough: a size that reaches this share of the highest throughput.
    static let enough = 0.9

    private let facts: [BenchServers.Facts]
    private let rows: [BenchRow]
    private let replicas: Int

    init(_ facts: [BenchServers.Facts], _ rows: [BenchRow], replicas: Int) {
        self.facts = facts
        self.rows = rows
        self.replicas = replicas
    }

    /// The fewest sessions that are enough; nil if nothing committed.
    var poolSize: Int? {
        let best = rows.map(\.throughput).max() ?? 0
        return rows.filter { $0.throughput > 0 && $0.throughput >= best * Self.enough }
            .map(\.clients).min()
    }

    /// Whether the largest size that was measured is the one that is enough: more may be better still.
    private var isOpenEnded: Bool { poolSize == rows.map(\.clients).max() && rows.count > 1 }

    /// What a server has to allow, and what it allows.
    struct Need: Equatable {
        let participant: String
        let setting: String
        let expected: Int
        let found: Int

        var isMet: Bool { found >= expected }
    }

    /// What this many sessions need of the servers, with what other programs use of them.
    ///
    /// A transaction keeps its place among the prepared ones until COMMIT PREPARED has been answered, when
    /// its working session may long serve another; so there is room for two of them for each session.
    func needs(poolSize: Int) -> [Need] {
        facts.flatMap { server in
            [
                Need(
                    participant: server.participant, setting: "max_prepared_transactions",
                    expected: server.preparedUsed + replicas * poolSize * 2,
                    found: server.preparedMax),
                Need(
                    participant: server.participant, setting: "max_connections",
                    expected: server.connectionsUsed
                        + replicas * (poolSize + server.otherSessions),
                    found: server.connectionsMax),
            ]
        }
    }

    /// For people.
    func lines(on screen: Screen) -> [String] {
        var lines = facts.map {
            "\($0.participant): PostgreSQL \($0.version), \($0.preparedUsed) of "
                + "\($0.preparedMax) prepared transactions, \($0.connectionsUsed) of "
                + "\($0.connectionsMax) connections in use"
        }
        lines.append("Each transaction inserts one row in each of them.")
        lines.append("")
        var table = TextTable([
            .init("AT ONCE", isNumber: true), .init("COMMITTED/S", isNumber: true),
            .init("P50 MS", isNumber: true), .init("P99 MS", isNumber: true),
            .init("ABORTED", isNumber: true),
        ])
        for row in rows {
            table.add([
                .init("\(row.clients)"), .init(Self.written(row.throughput, digits: 0)),
                row.latency(percentile: 50).map { .init(Self.written($0, digits: 2)) },
                row.latency(percentile: 99).map { .init(Self.written($0, digits: 2)) },
                .init("\(row.abortedCount)", row.abortedCount > 0 ? .bad : .none),
            ])
        }
        lines += screen.lines(of: table)
        if let problem = rows.lazy.compactMap(\.firstProblem).first {
            lines += ["", "The first abort: \(problem)"]
        }
        return lines + [""] + recommendation
    }

    private var recommendation: [String] {
        guard let poolSize else { return ["Nothing committed, so nothing can be recommended."] }
        var lines = ["Recommended: poolSize: \(poolSize) for each of these participants."]
        lines.append(
            isOpenEnded
                ? "More may be better still: measure with larger --clients."
                : "It is the fewest sessions with \(Int(Self.enough * 100)) % of the highest "
                    + "throughput; more only wait for each other.")
        lines.append("With \(replicas) replicas:")
        for need in needs(poolSize: poolSize) {
            lines.append(
                "  \(need.isMet ? "ok  " : "FAIL") \(need.participant): \(need.setting) of at least "
                    + "\(need.expected), got \(need.found)")
        }
        return lines
    }

    /// For programs, in one line.
    var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("measurements")
            writer.array(rows) { row, writer in
                writer.object { writer in
                    writer.member("atOnce", row.clients)
                    writer.name("committedPerSecond")
                    writer.raw(Self.written(row.throughput, digits: 1).utf8)
                    for percentile in [50, 99] {
                        writer.name(escaping: "p\(percentile)Milliseconds")
                        if let time = row.latency(percentile: percentile) {
                            writer.raw(Self.written(time, digits: 3).utf8)
                        } else {
                            writer.null()
                        }
                    }
                    writer.member("aborted", row.abortedCount)
                    writer.member("firstProblem", row.firstProblem)
                }
            }
            writer.name("recommendedPoolSize")
            if let poolSize { writer.raw("\(poolSize)".utf8) } else { writer.null() }
            writer.name("needs")
            writer.array(poolSize.map(needs) ?? []) { need, writer in
                writer.object { writer in
                    writer.member("participant", need.participant)
                    writer.member("setting", need.setting)
                    writer.member("expectedAtLeast", need.expected)
                    writer.member("got", need.found)
                    writer.member("isMet", need.isMet)
                }
            }
        }
        return writer.text
    }

    private static func written(_ number: Double, digits: Int) -> String {
        String(format: "%.\(digits)f", number)
    }
}

import CoordinatorAPI

/// What `tandem top` knows and shows; it reads no clock, no keys and no network.
struct TopModel {
    /// What the program is to do.
    enum Action: Equatable {
        case retry(String)
        case quit
    }

    /// What the user presses.
    enum Key: Equatable {
        case up, down, quit, pause, retry, other
    }

    /// What one poll has read.
    struct Reading: Sendable {
        let overview: JSONValue
        /// The unfinished transactions, oldest first.
        let transactions: [JSONValue]
    }

    private let address: String
    private var reading: Reading
    /// Why the newest poll failed; nil if it did not.
    private var failure: String?
    private(set) var isPaused = false
    /// The id of the chosen transaction, which stays chosen while others come and go.
    private(set) var selected: String?
    private var message: String?

    init(address: String, _ reading: Reading) {
        self.address = address
        self.reading = reading
        selected = reading.transactions.first?["id"]?.string
    }

    private var ids: [String] { reading.transactions.compactMap { $0["id"]?.string } }

    /// Takes what a poll has read; a reading that comes while the view is paused is dropped.
    mutating func take(_ reading: Reading) {
        guard !isPaused else { return }
        let place = selected.flatMap { ids.firstIndex(of: $0) } ?? 0
        self.reading = reading
        failure = nil
        if selected.map(ids.contains) != true {
            selected = ids.isEmpty ? nil : ids[min(place, ids.count - 1)]
        }
    }

    /// Notes that a poll has failed; what was read before stays, with its age.
    mutating func fail(_ reason: String) { failure = reason }

    /// Shows the answer to an action.
    mutating func say(_ text: String) { message = text }

    mutating func press(_ key: Key) -> Action? {
        message = nil
        switch key {
        case .quit: return .quit
        case .pause:
            isPaused.toggle()
        case .retry:
            guard let selected else {
                message = "no transaction is selected"
                return nil
            }
            message = "retrying \(selected)"
            return .retry(selected)
        case .up: move(by: -1)
        case .down: move(by: 1)
        case .other: break
        }
        return nil
    }

    private mutating func move(by step: Int) {
        guard let place = selected.flatMap({ ids.firstIndex(of: $0) }) else {
            return selected = ids.first
        }
        selected = ids[min(max(place + step, 0), ids.count - 1)]
    }

    // MARK: The frame

    /// The lines of the screen.
    ///
    /// With a number of rows, the transactions get what the tables above leave, and the last line says
    /// which keys there are. Without one there is all of it, and no line about keys.
    func lines(on screen: Screen, rows: Int? = nil) -> [String] {
        var lines = [head(screen), ""] + queues(screen) + [""]
        lines += ReplicaText.list(reading.overview["replicas"], on: screen) + [""]
        lines += screen.lines(of: ParticipantText.table(reading.overview)) + [""]
        let room = rows.map { max(0, $0 - lines.count - 2) }
        lines += transactions(screen, room: room)
        guard let rows else { return lines }
        lines = Array(lines.prefix(rows - 1))
        lines += Array(repeating: "", count: max(0, rows - 1 - lines.count))
        let keys = "q quit  p \(isPaused ? "go on" : "pause")  r retry the selected  ↑↓ select"
        return lines + [screen.painted(message ?? keys, message == nil ? .faint : .attention)]
    }

    private func head(_ screen: Screen) -> String {
        let replica = reading.overview["replica"]?.string ?? "?"
        let age = screen.moment.age(of: reading.overview["observedAt"])?.written ?? "?"
        let text = "tandem at \(address), \(replica), \(age) old"
        if let failure { return screen.painted("\(text): \(failure)", .bad) }
        return screen.painted(text, .none)
            + (isPaused ? screen.painted("  PAUSED", .attention) : "")
    }

    private func queues(_ screen: Screen) -> [String] {
        var table = TextTable([
            .init("QUEUE"), .init("COUNT", isNumber: true), .init("OLDEST", isNumber: true),
            .init("TRANSACTION"),
        ])
        for queue in reading.overview["queues"]?.elements ?? [] {
            let name = queue["queue"]?.string ?? "?"
            let count = queue["count"]?.integer ?? 0
            let isExact = queue["countIsExact"] != .bool(false)
            let emphasis: Emphasis =
                count == 0 || name == "running"
                ? .none : name == "needsOperator" ? .bad : .attention
            table.add([
                .init(name, emphasis), .init("\(isExact ? "" : "over ")\(count)", emphasis),
                screen.moment.age(of: queue["oldest"]?["acceptedAt"]).map { .init($0.written) },
                queue["oldest"]?["id"]?.string.map { .init($0) },
            ])
        }
        return screen.lines(of: table)
    }

    private func transactions(_ screen: Screen, room: Int?) -> [String] {
        guard !reading.transactions.isEmpty else { return ["No transaction is unfinished."] }
        var table = TransactionText.table()
        for transaction in reading.transactions {
            table.add(TransactionText.row(transaction, at: screen.moment))
        }
        let lines = screen.lines(of: table)
        guard let room else { return lines }
        // The window around the selected one.
        let place = selected.flatMap { ids.firstIndex(of: $0) } ?? 0
        let shown = max(0, room - 1)
        let first = max(0, min(place - shown / 2, lines.count - 1 - shown))
        var chosen = lines
        // Without colours of its own, since each of them would end the reversal.
        let plain = table.lines(width: screen.width)
        chosen[place + 1] = "\u{1B}[7m\(plain[place + 1])\u{1B}[27m"
        return [lines[0]] + chosen.dropFirst(first + 1).prefix(shown)
    }
}

/// What one mode was measured at, round by round.
struct Figures: Sendable {
    let name: String
    /// Transactions a second.
    private(set) var rates: [Double] = []
    /// Microseconds of processor time a transaction.
    private(set) var programCosts: [Double] = []
    private(set) var serverCosts: [Double] = []

    init(name: String) {
        self.name = name
    }

    mutating func add(_ rate: Double, _ spent: ProcessorTime, transactions: Int) {
        rates.append(rate)
        programCosts.append(Double(spent.program) / Double(max(1, transactions)))
        serverCosts.append(Double(spent.servers) / Double(max(1, transactions)))
    }

    var lastRound: String {
        Self.line(name, rates.last ?? 0, programCosts.last ?? 0, serverCosts.last ?? 0)
    }

    var summary: String {
        Self.line(
            name, Self.median(rates), Self.median(programCosts), Self.median(serverCosts))
    }

    static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private static func line(
        _ name: String, _ rate: Double, _ program: Double, _ servers: Double
    ) -> String {
        "\(name): \(Int(rate)) tx/s, CPU a transaction: program \(Int(program)) µs, "
            + "servers \(Int(servers)) µs"
    }
}

/// The measurements of one mode, by round.
struct Figures: Sendable {
    let name: String
    let kind: Mode.Kind
    private(set) var samples: [Sample] = []

    init(_ mode: Mode) {
        name = mode.name
        kind = mode.kind
    }

    /// Transactions per second.
    var rates: [Double] { samples.map { $0.rate } }
    /// Microseconds of processor time per transaction.
    var programCosts: [Double] { samples.map { $0.programCost } }
    var serverCosts: [Double] { samples.map { $0.serverCost } }

    mutating func add(_ sample: Sample) { samples.append(sample) }

    var lastRound: String {
        Self.line(
            name, rate: rates.last ?? 0, program: programCosts.last ?? 0,
            servers: serverCosts.last ?? 0)
    }

    var summary: String {
        Self.line(
            name, rate: Self.median(rates), program: Self.median(programCosts),
            servers: Self.median(serverCosts))
    }

    /// The median over rounds of the ratio to the fastest of these modes.
    ///
    /// Other load of the machine affects all modes of a round.
    func ratio(to others: [Figures]) -> Double {
        Self.median(
            rates.indices.map { round in
                rates[round] / (others.map { $0.rates[round] }.max() ?? .nan)
            })
    }

    static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private static func line(
        _ name: String, rate: Double, program: Double, servers: Double
    ) -> String {
        "\(name): \(Int(rate)) tx/s, CPU per transaction: program \(Int(program)) µs, "
            + "servers \(Int(servers)) µs"
    }
}

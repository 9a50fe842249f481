import TransactionEngine

/// The branches that lock the same row, as far as their SQL shows it: those with this SQL in this
/// participant whose parameters have some values.
struct BranchPattern: Hashable, Sendable {
    /// A parameter by its place among all of the branch, and a hash of its value.
    struct Value: Hashable, Sendable {
        let place: Int
        let hash: Int
    }

    /// What distinguishes a row from others, as far as patterns show it.
    ///
    /// Not the SQL: the debit of an account and the credit of the same account are different statements,
    /// and lock one row.
    struct Row: Hashable {
        let participant: String
        let hashes: Set<Int>
    }

    let participant: String
    let shape: Int
    /// Empty for every branch with this SQL.
    let values: [Value]
    private let hasParameters: Bool

    /// The row that all these branches lock; nil if they have only SQL in common, and different values.
    var row: Row? {
        guard values.isEmpty else {
            return Row(participant: participant, hashes: Set(values.map(\.hash)))
        }
        // SQL without any parameter names the row in its text.
        return hasParameters ? nil : Row(participant: participant, hashes: [shape])
    }

    /// Every branch with the SQL of this one.
    init(sqlOf request: SessionRequest) {
        self.init(request, values: [])
    }

    private init(_ request: SessionRequest, values: [Value]) {
        participant = request.participant
        shape = request.shape
        self.values = values
        hasParameters = !request.parameters.isEmpty
    }

    /// The branches with the SQL of this one, and with its values at these places; nil if it has fewer
    /// parameters.
    init?(_ request: SessionRequest, at places: [Int]) {
        guard places.allSatisfy(request.parameters.indices.contains) else { return nil }
        self.init(
            request, values: places.map { Value(place: $0, hash: request.parameters[$0]) })
    }

    /// The branches that wait for the same row as this one and its rivals, which wait for it or hold it.
    ///
    /// None if no rival is known. The first pattern has this one's SQL, the others that of rivals.
    ///
    /// They conflict, so they have the row in common. What names it in the SQL is a value that all of them
    /// have, such as the id of an account; what they do not share, such as an amount, has nothing to do
    /// with it. A value that they share by chance makes the pattern narrower: then the next waiter
    /// without it adds another one. If they share none, all branches with this SQL may conflict.
    ///
    /// All closures have the shape 0, which says nothing about what one of them locks: they have no
    /// pattern, or one hot row would hold back everything that a program does.
    static func found(
        of waiter: SessionRequest, among rivals: [SessionRequest]
    ) -> [BranchPattern] {
        let known = rivals.filter { $0.shape != 0 }
        guard waiter.shape != 0, !known.isEmpty else { return [] }
        let shared = Set(waiter.parameters).filter { hash in
            known.allSatisfy { $0.parameters.contains(hash) }
        }
        var patterns = [BranchPattern(waiter, sharing: shared)]
        for rival in known where !shared.isEmpty {
            guard !patterns.contains(where: { $0.shape == rival.shape }) else { continue }
            patterns.append(BranchPattern(rival, sharing: shared))
        }
        return patterns
    }

    private init(_ request: SessionRequest, sharing hashes: Set<Int>) {
        self.init(
            request,
            values: request.parameters.enumerated().compactMap { place, hash in
                hashes.contains(hash) ? Value(place: place, hash: hash) : nil
            })
    }

    func matches(_ request: SessionRequest) -> Bool {
        request.shape == shape && request.participant == participant
            && values.allSatisfy {
                request.parameters.indices.contains($0.place)
                    && request.parameters[$0.place] == $0.hash
            }
    }
}

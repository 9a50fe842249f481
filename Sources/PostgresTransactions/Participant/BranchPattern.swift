import TransactionEngine

/// The branches that lock the same row, as far as their SQL shows it: those with this SQL in this
/// participant whose parameters have some values.
struct BranchPattern: Hashable, Sendable {
    /// A parameter by its place among all of the branch, and a hash of its value.
    struct Value: Hashable, Sendable {
        let place: Int
        let hash: Int
    }

    let participant: String
    let shape: Int
    /// Empty for every branch with this SQL.
    let values: [Value]

    /// Every branch with the SQL of this one.
    init(sqlOf request: SessionRequest) {
        participant = request.participant
        shape = request.shape
        values = []
    }

    /// The branches that wait for the same row as this one and its rivals, which wait for it or hold it;
    /// nil if no rival is known.
    ///
    /// They conflict, so they have the row in common. What names it in the SQL is a value that all of them
    /// have, such as the id of an account; what they do not share, such as an amount, has nothing to do
    /// with it. A value that they share by chance makes the pattern narrower: then the next waiter
    /// without it adds another one. If they share none, all branches with this SQL may conflict.
    ///
    /// All closures have the shape 0, which says nothing about what one of them locks: they have no
    /// pattern, or one hot row would hold back everything that a program does.
    init?(of waiter: SessionRequest, among rivals: [SessionRequest]) {
        let known = rivals.filter { $0.shape != 0 }
        guard waiter.shape != 0, !known.isEmpty else { return nil }
        participant = waiter.participant
        shape = waiter.shape
        values = waiter.parameters.enumerated().compactMap { place, hash in
            known.allSatisfy { $0.parameters.contains(hash) }
                ? Value(place: place, hash: hash) : nil
        }
    }

    func matches(_ request: SessionRequest) -> Bool {
        request.shape == shape && request.participant == participant
            && values.allSatisfy {
                request.parameters.indices.contains($0.place)
                    && request.parameters[$0.place] == $0.hash
            }
    }
}

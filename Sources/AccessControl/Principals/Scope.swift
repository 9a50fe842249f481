/// What a principal may do; the raw value is the scope's name in tokens, files and answers.
package enum Scope: String, Sendable, Hashable, CaseIterable {
    /// Run transactions in the participants that are allowed, and roll its own ones back.
    case run = "transactions:run"
    /// Read its own transactions, and the metrics.
    case read = "transactions:read"
    /// See everything, and roll back, retry and resolve any transaction.
    case operate
    /// Change what can be changed while the replica runs.
    case admin

    /// The scopes that are part of this one.
    ///
    /// A caller that may run a transaction has to be able to learn what became of it, and an
    /// operator has to see what there is to operate. To operate is not to run: an operator's token is
    /// no key to the data of the participants.
    fileprivate var included: [Scope] {
        switch self {
        case .run, .operate: [.read]
        case .read: []
        case .admin: [.operate, .read]
        }
    }

    fileprivate var bit: UInt8 {
        switch self {
        case .run: 1
        case .read: 2
        case .operate: 4
        case .admin: 8
        }
    }
}

/// A set of scopes, with all that are part of them.
package struct Scopes: Sendable, Hashable {
    private var bits: UInt8 = 0

    /// Makes a set of these scopes and of all that are part of them.
    package init(_ scopes: some Sequence<Scope>) {
        for scope in scopes {
            bits |= scope.included.reduce(scope.bit) { $0 | $1.bit }
        }
    }

    /// Every scope there is.
    package static let all = Scopes(Scope.allCases)

    /// Whether the set has a scope.
    package func contains(_ scope: Scope) -> Bool { bits & scope.bit != 0 }

    /// Whether the set has all scopes of another one.
    package func isSuperset(of other: Scopes) -> Bool { bits & other.bits == other.bits }

    /// The scopes in the set, in the order of ``Scope``.
    package var elements: [Scope] { Scope.allCases.filter(contains) }
}

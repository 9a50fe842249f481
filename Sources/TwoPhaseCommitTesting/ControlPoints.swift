import CommitProtocol
import EventLoop
import Logging
import PostgresTransactions
import TransactionEngine
public import TwoPhaseCommit

/// Holds or harms the transactions of one coordinator at named places, so that tests can put a program
/// through what is rare: an unknown outcome, a crash after the decision, a heuristic outcome.
///
/// ```swift
/// let points = ControlPoints()
/// let coordinator = Coordinator(configuration, controlPoints: points)
/// let paused = await points.pause(at: .decided)
/// async let committed = coordinator.run([user, stock])
/// let transaction = try await paused.reached()
/// // Both participants are prepared now, and the decision to commit is recorded.
/// print(try await coordinator.status(of: transaction.id) as Any)
/// await paused.release()
/// _ = try await committed
/// ```
///
/// Link the product `TwoPhaseCommitTesting` to test targets only. A coordinator that was made without
/// control points has none, and cannot be given any.
public final class ControlPoints: Sendable {
    let gate: ControlPointGate

    /// Makes control points for one coordinator.
    public init() {
        gate = ControlPointGate(
            clock: LoopClock(.shared), logger: Logger(label: "tandem.rehearsal")
        ) { _, gate in gate.halt() }
    }

    /// Pauses transactions at a control point, each until it is released.
    ///
    /// While a transaction is paused, everything else goes on, its deadline too. Where the coordinator
    /// cancels the work of a participant that is paused at ``ControlPoint/working`` or
    /// ``ControlPoint/prepared``, the pause ends.
    ///
    /// - Parameters:
    ///   - point: The place.
    ///   - database: Only this database's participants, at a point that each passes by itself; and
    ///     only transactions with a participant there. Nil for all.
    ///   - transactions: At most so many transactions; nil for all.
    public func pause(
        at point: ControlPoint, in database: Database? = nil, transactions: Int? = nil
    ) async -> Pause {
        Pause(rule: await add(point, .pause, in: database, transactions), point: point, gate: gate)
    }

    /// Makes something go wrong at a control point, until the fault is removed.
    ///
    /// - Parameters:
    ///   - point: The place.
    ///   - failure: What goes wrong. The coordinator crashes, or a branch is finished by another
    ///     program, at most once a transaction.
    ///   - database: As for ``pause(at:in:transactions:)``. It says whose branch another program
    ///     finishes; nil for all of them.
    ///   - transactions: At most so many transactions; nil for all.
    @discardableResult
    public func fail(
        at point: ControlPoint, with failure: RehearsedFailure, in database: Database? = nil,
        transactions: Int? = nil
    ) async -> Fault {
        precondition(
            !failure.action.needsPreparedBranches || point.enginePoint.hasPreparedBranches,
            "expected a point from prepared to finishing for \(failure), got \(point)")
        let rule = await add(point, failure.action, in: database, transactions)
        return Fault(rule: rule, point: point, gate: gate)
    }

    /// Removes all pauses and faults, and releases every transaction.
    public func removeAll() async { await gate.removeAll() }

    private func add(
        _ point: ControlPoint, _ action: ControlRule.Action, in database: Database?,
        _ transactions: Int?
    ) async -> Int {
        var rule = ControlRule(at: point.enginePoint, action)
        rule.participant = database?.name
        rule.transactionsMax = transactions
        return await gate.add(rule)
    }
}

extension Coordinator {
    /// Makes a coordinator whose transactions a test can hold or harm at control points.
    ///
    /// Otherwise the same as ``TwoPhaseCommit/Coordinator/init(_:)``.
    public convenience init(_ configuration: Configuration, controlPoints: ControlPoints) {
        self.init(configuration, gate: controlPoints.gate)
    }
}

/// A pause of transactions at a control point.
public struct Pause: Sendable {
    let rule: Int
    let point: ControlPoint
    let gate: ControlPointGate

    /// Waits until a transaction is paused here, and returns it; the first one if there are several.
    ///
    /// - Throws: ``NotReached`` if none is paused after this time.
    public func reached(
        within limit: Duration = .seconds(60)
    ) async throws(NotReached) -> PausedTransaction {
        await gate.waitUntilPaused(by: rule, within: limit)
        guard let first = await transactions.first else {
            throw NotReached(point: point, limit: limit)
        }
        return first
    }

    /// The transactions that are paused here now; one that is paused in two participants is here twice.
    public var transactions: [PausedTransaction] {
        get async {
            await gate.paused.filter { $0.rule == rule }.map {
                PausedTransaction(
                    id: TransactionID($0.transaction.description), database: $0.participant)
            }
        }
    }

    /// Releases one transaction, which is not paused here again.
    public func release(_ transaction: PausedTransaction) async {
        for paused in await gate.paused
        where paused.rule == rule && paused.transaction.description == transaction.id.description {
            await gate.release(paused.transaction, from: rule)
        }
    }

    /// Removes the pause and releases all transactions.
    public func release() async { _ = await gate.remove(rule) }
}

/// A fault at a control point.
public struct Fault: Sendable {
    let rule: Int
    let point: ControlPoint
    let gate: ControlPointGate

    /// Waits until it has happened to a transaction.
    ///
    /// - Throws: ``NotReached`` if it has not after this time.
    public func happened(within limit: Duration = .seconds(60)) async throws(NotReached) {
        await gate.waitUntilMet(rule, within: limit)
        guard await gate.entries.contains(where: { $0.id == rule && $0.transactionCount > 0 })
        else { throw NotReached(point: point, limit: limit) }
    }

    /// Removes the fault.
    ///
    /// A lost connection is there again. A crash stays, and so does what another program did.
    public func remove() async { _ = await gate.remove(rule) }
}

/// A transaction that is paused at a control point.
public struct PausedTransaction: Sendable, Hashable {
    /// Its id, for ``TwoPhaseCommit/Coordinator/status(of:)``.
    public let id: TransactionID
    /// The database of the participant that is paused; nil at a point that the transaction passes as a
    /// whole.
    public let database: String?
}

/// No transaction has reached a control point in time.
public struct NotReached: Error, Sendable, Hashable, CustomStringConvertible {
    /// The place.
    public let point: ControlPoint
    /// The time.
    public let limit: Duration

    /// One sentence for people.
    public var description: String {
        "expected a transaction at the control point \(point) within \(limit), got none"
    }
}

/// What a world of locks is made of; times are in microseconds.
struct LockSetting: Sendable {
    /// The participants.
    var siteCount = 2
    var replicaCount = 1
    var policy = LockPolicy.graph
    var mistake: LockMistake?
    /// How long a message takes, one way.
    var delay: ClosedRange<Int64> = 100...300
    /// How long a write or read of the state database takes, with its answer.
    var logDelay: ClosedRange<Int64> = 500...1_500
    /// How many in a hundred readings, published readings and cancels are lost.
    var lossPercent = 0
    /// When losses stop.
    var healed: Int64 = 0
    /// The time between two readings.
    var interval: Int64 = 20_000
    /// How long a branch has to work before anything is read.
    var threshold: Int64 = 20_000
    /// How often a request may run again.
    var retries = 10
    /// Whether a reading names the row's holder for each waiter.
    ///
    /// A server does not: in a queue for a row it shows each waiter those that are before it in the
    /// queue, and the first of them alone waits for the holder.
    var addsRowHolder = true
    /// Whether requests work in the order of the participants for some seconds after a deadlock.
    var ordersAfterDeadlock = false
    /// PostgreSQL's own setting, for deadlocks within a server.
    var deadlockTimeout: Int64 = 1_000_000

    /// How long a deadlock may last, at most, once it has all its edges and messages are not lost.
    ///
    /// A replica notices that a branch has worked for long within `threshold` and an `interval`. From
    /// then on it reads again and again; two starts are at most `period` apart. Its edges are in the
    /// state database after the next whole reading and a write; the replica of the victim has them in
    /// its own next whole reading. That takes `2 * period + 2 * reading + write`. The second reading
    /// takes as long again, and then the cancel is sent.
    var deadlockMax: Int64 {
        let reading = max(2 * delay.upperBound, logDelay.upperBound)
        let period = interval + reading
        return threshold + interval + 2 * (2 * period + 2 * reading + logDelay.upperBound)
            + delay.upperBound
    }
}

/// How deadlocks are ended.
package enum LockPolicy: Sendable, Hashable {
    /// The youngest transaction of a cycle that two readings prove.
    case graph
    /// The older transaction aborts the younger one for which it has waited this long; nothing is proved.
    case woundWait(grace: Int64)
    /// The waiter is aborted once it has waited this long, like `lock_timeout`.
    case timeout(Int64)
}

/// A planted mistake, which some history must reveal.
package enum LockMistake: CaseIterable, Sendable {
    /// A cycle of one reading is acted upon, so that its edges may never have held together.
    case oneReading
    /// A published reading counts as the second one, however old it is.
    case oldPublishedReading
    /// A run that repeats a request counts as new, so that old requests lose again and again.
    case youngestByNewID
    /// A transaction that waits long is aborted, with a cycle or without one.
    case noCycle
    /// All transactions of a cycle are aborted.
    case wholeCycle
    /// The cancel finds its branch by request, so that it may reach the next run.
    case cancelsNextRun
    /// A replica publishes only waits for sessions of others, so that no replica sees a cycle with a
    /// wait inside another replica.
    case publishesPart
    /// A wounded transaction is aborted whatever its row says.
    case abortsDecided
    /// A victim's request does not run again.
    case doesNotRunAgain
    /// Victims are not cancelled in participants other than the first.
    case forgetsParticipant

    /// The policy for which it is a mistake.
    var policy: LockPolicy { self == .abortsDecided ? .woundWait(grace: 1_000) : .graph }
}

import EventLoop
public import PostgresClient

/// Examines a database: whether it can do its part, and is set up to.
///
/// It changes nothing. A participant is made to prepare a transaction that did nothing, and to roll
/// it back.
public enum Diagnostics {
    /// What the database is there for.
    public enum Purpose: Sendable, Hashable {
        /// The coordinator's own.
        case state
        /// One that takes part in transactions.
        case participant
    }

    /// Looks at everything; whatever goes wrong on the way is a finding too.
    ///
    /// - Parameters:
    ///   - timeout: the bound on connecting; each question has ten seconds.
    ///   - journal: whether a participant is to keep a journal of decisions.
    public static func examine(
        _ options: ConnectionOptions, as purpose: Purpose, allowsFsyncOff: Bool,
        timeout: Duration, journal: Bool = false
    ) async -> Diagnosis {
        await onLoop(options, purpose, allowsFsyncOff, timeout, journal)
    }

    static let patience = Duration.seconds(10)

    @LoopActor
    private static func onLoop(
        _ options: ConnectionOptions, _ purpose: Purpose, _ allowsFsyncOff: Bool,
        _ timeout: Duration, _ journal: Bool
    ) async -> Diagnosis {
        var checks: [Diagnosis.Check] = []
        do {
            // Two at once, for what one session alone cannot show.
            let (connection, options) = try await reach(options, timeout)
            defer { connection.close() }
            let witness = try await PostgresConnection.connect(options, timeout: timeout)
            defer { witness.close() }
            checks.append(.init("reachable", .ok, "It answers, to two sessions at once."))
            // First, since behind a pooler the rest could not be asked in order.
            let session = await PoolerProbe.examine(connection, witness)
            checks.append(session)
            guard session.verdict == .ok else { return Diagnosis(checks: checks, summary: nil) }
            let hello = Command("SELECT 1", cached: false)
            _ = try await connection.set(.examination, thenAsk: hello, timeout: patience)
            let probe = try await ServerProbe.read(connection, purpose)
            checks += probe.checks(purpose, allowsFsyncOff: allowsFsyncOff)
            checks.append(await SettingsProbe.examine(connection, options, purpose, timeout))
            if purpose == .participant, probe.canPrepare {
                checks.append(await trial(connection))
            }
            if journal { checks.append(try await JournalMaker.examine(connection)) }
            return Diagnosis(checks: checks, summary: probe.summary(purpose))
        } catch {
            checks.append(.init(checks.isEmpty ? "reachable" : "questions", .failing, "\(error)"))
            return Diagnosis(checks: checks, summary: nil)
        }
    }

    /// Connects as a replica does, or, where that is refused, to whatever answers.
    ///
    /// Replicas take no session of a standby; so it can be said that it is one.
    @LoopActor
    private static func reach(
        _ options: ConnectionOptions, _ timeout: Duration
    ) async throws(PostgresError) -> (PostgresConnection, ConnectionOptions) {
        do {
            return (try await PostgresConnection.connect(options, timeout: timeout), options)
        } catch {
            let any = try options.overriding(["target_session_attrs": "any"])
            guard any != options,
                let connection = try? await PostgresConnection.connect(any, timeout: timeout)
            else { throw error }
            return (connection, any)
        }
    }

    /// What a branch does, with nothing in it.
    @LoopActor
    private static func trial(_ connection: PostgresConnection) async -> Diagnosis.Check {
        let gid = "tandem-check:\(UInt64.random(in: .min ... .max))"
        do {
            let replies = try await connection.execute(
                [
                    [
                        Command("BEGIN"), Command("SELECT pg_current_xact_id()", cached: false),
                        Command("PREPARE TRANSACTION '\(gid)'", cached: false),
                    ],
                    [Command("ROLLBACK PREPARED '\(gid)'", cached: false)],
                ], timeout: patience)
            for case .failed(let message) in replies.joined() {
                return .init(
                    "trial", .failing, "Preparing and rolling back failed: \(message.message).")
            }
            return .init("trial", .ok, "It prepared a transaction and rolled it back.")
        } catch {
            return .init("trial", .failing, "Preparing and rolling back failed: \(error).")
        }
    }
}

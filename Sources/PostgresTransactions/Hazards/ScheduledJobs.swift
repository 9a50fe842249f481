import EventLoop
import PostgresClient
import TransactionEngine

/// Jobs in a database that a scheduler runs and that end prepared transactions.
struct ScheduledJobs: Sendable, Hashable {
    /// A scheduler, by its table of jobs.
    enum Scheduler: String, Sendable {
        case pgCron = "cron.job"
        case pgAgent = "pgagent.pga_jobstep"

        /// Without the text of a job, which may hold anything.
        fileprivate var jobs: Query<String> {
            switch self {
            case .pgCron:
                Query(
                    """
                    SELECT 'pg_cron job ' || jobid FROM cron.job
                    WHERE active AND command ~* '\\m(commit|rollback)\\s+prepared\\M'
                        AND command !~ 'tandem:'
                    ORDER BY jobid
                    """
                ) { $0.text() }
            case .pgAgent:
                Query(
                    """
                    SELECT 'pgAgent step ' || jstid FROM pgagent.pga_jobstep
                    WHERE jstenabled AND jstcode ~* '\\m(commit|rollback)\\s+prepared\\M'
                        AND jstcode !~ 'tandem:'
                    ORDER BY jstid
                    """
                ) { $0.text() }
            }
        }
    }

    /// Those that were found.
    var found: [String] = []
    /// Where there may be more, which the role does not see.
    var hidden: [String] = []

    /// Looks at the jobs of the schedulers that are installed.
    @LoopActor
    static func read(
        _ reading: HazardReading, on connection: PostgresConnection, timeout: Duration
    ) async throws -> ScheduledJobs {
        var jobs = ScheduledJobs()
        for scheduler in reading.schedulers {
            do {
                jobs.found += try await connection.rows(scheduler.jobs, timeout: timeout)
            } catch PostgresError.server {
                // pg_cron shows each role only its own jobs; without any right it shows none.
                jobs.hidden.append(scheduler.rawValue)
            }
        }
        if let database = reading.cronDatabase, database != reading.database,
            !reading.schedulers.contains(.pgCron)
        {
            jobs.hidden.append("cron.job in database \(database)")
        }
        return jobs
    }

    var hazard: Hazard? {
        found.isEmpty
            ? nil
            : Hazard(
                .scheduledJob, cause: found.joined(separator: ", "),
                remedy:
                    "It ends prepared transactions without asking tandem, and so may roll back one "
                    + "branch of a transaction that is committed elsewhere: remove it, or have it "
                    + "leave alone gids that begin with 'tandem:', by a condition that its text shows."
            )
    }

    /// A sentence on what could not be looked at; nil if all could.
    var uncertainty: String? {
        hidden.isEmpty
            ? nil
            : "This role does not see all jobs in \(hidden.joined(separator: ", ")); have an "
                + "administrator look for jobs with COMMIT PREPARED or ROLLBACK PREPARED."
    }
}

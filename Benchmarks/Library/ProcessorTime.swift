import Foundation
import PostgresClusters

/// The processor time of the program and of its servers, in microseconds.
///
/// It shows the cost of a transaction regardless of other load.
struct ProcessorTime: Sendable {
    var program = 0
    var servers = 0

    /// The time spent until now.
    static func now(_ servers: Servers) async -> ProcessorTime {
        let postmasters = await [
            servers.users.processID, servers.orders.processID, servers.state.processID,
        ]
        return ProcessorTime(program: ofProgram(), servers: ofTrees(postmasters))
    }

    static func - (now: ProcessorTime, then: ProcessorTime) -> ProcessorTime {
        ProcessorTime(program: now.program - then.program, servers: now.servers - then.servers)
    }

    private static func ofProgram() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    /// The time of each postmaster and its children, including ended ones.
    private static func ofTrees(_ postmasters: [pid_t]) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var ticks = 0
        for process in names.compactMap(pid_t.init) {
            // The command's name may contain blanks; field 3 follows its parenthesis.
            guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                let close = stat.lastIndex(of: ")")
            else { continue }
            let fields = stat[stat.index(close, offsetBy: 2)...].split(separator: " ")
            guard fields.count > 14 else { continue }
            let isPostmaster = postmasters.contains(process)
            guard isPostmaster || postmasters.contains(pid_t(fields[1]) ?? 0) else { continue }
            for field in isPostmaster ? 11...14 : 11...12 { ticks += Int(fields[field]) ?? 0 }
        }
        return ticks * 1_000_000 / sysconf(Int32(_SC_CLK_TCK))
    }
}

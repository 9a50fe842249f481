import FoundationEssentials
import Glibc

/// Reads other processes from `/proc`.
enum ProcessTable {
    /// The children of a process; stop it first, so that it cannot reap them and free their pids.
    static func children(of parent: pid_t) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { self.parent(of: $0) == parent }.sorted()
    }

    private static func parent(of process: pid_t) -> pid_t? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/stat") else {
            return nil
        }
        // "pid (name) state ppid ...": the name may contain blanks and parentheses.
        let fields = String(decoding: data, as: UTF8.self).split(separator: ")").last?
            .split(separator: " ")
        guard let fields, fields.count > 1 else { return nil }
        return pid_t(fields[1])
    }
}

import FoundationEssentials
import Glibc

/// What `/proc` tells about other processes.
enum ProcessTable {
    /// The children of `parent`, as of one pass over the table.
    ///
    /// The pids stay theirs only while the parent cannot reap them: stop it first.
    static func children(of parent: pid_t) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { self.parent(of: $0) == parent }.sorted()
    }

    private static func parent(of process: pid_t) -> pid_t? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/stat") else {
            return nil
        }
        // "pid (name) state ppid ...": the name may hold anything, also blanks and parentheses.
        let fields = String(decoding: data, as: UTF8.self).split(separator: ")").last?
            .split(separator: " ")
        guard let fields, fields.count > 1 else { return nil }
        return pid_t(fields[1])
    }
}

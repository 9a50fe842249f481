import Glibc

/// An open file descriptor, closed when the last reference goes, and never leaked into a child.
///
/// Every descriptor is born with close-on-exec in the same system call. Setting the flag afterwards
/// would race with a spawn on another thread, and a child holding a stray writing end would keep the
/// reader from ever seeing the end of file.
public final class Descriptor: Sendable {
    let number: Int32

    init(adopting number: Int32) {
        self.number = number
    }

    deinit {
        _ = close(number)
    }

    /// Opens `path` for appending, and creates it for its owner alone when it is missing.
    public static func appending(to path: String) throws -> Descriptor {
        try opened(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC)
    }

    /// Opens the existing file `path` for writing over its beginning.
    static func overwriting(_ path: String) throws -> Descriptor {
        try opened(path, O_WRONLY | O_CLOEXEC)
    }

    /// A nameless file, for the output of a child or the input to it.
    static func anonymousFile() throws -> Descriptor {
        let path = "/tmp/.tandem-\(UInt64.random(in: .min ... .max))"
        let file = try opened(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC)
        unsafe unlink(path)
        return file
    }

    /// Two connected ends, in the manner of a pipe.
    ///
    /// A socket pair, because `socketpair` takes close-on-exec everywhere that `pipe` does not.
    static func connectedPair() throws -> (parent: Descriptor, child: Descriptor) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw SystemError(call: "socketpair", code: errno)
        }
        return (Descriptor(adopting: ends[0]), Descriptor(adopting: ends[1]))
    }

    /// The bytes up to the end of file, or the next up to 64 KiB of them; empty at the end.
    func readSome() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            var got: Int
            repeat {
                got = unsafe read(number, buffer.baseAddress, buffer.count)
            } while got < 0 && errno == EINTR
            // A peer that vanished reads as an error on a socket; for us it has ended all the same.
            count = max(got, 0)
        }
    }

    /// The length of a file in bytes.
    var length: Int {
        Int(lseek(number, 0, SEEK_END))
    }

    /// Goes back to the beginning of a file.
    func rewind() {
        _ = lseek(number, 0, SEEK_SET)
    }

    /// Everything from the beginning of a file.
    func readWhole() -> String {
        rewind()
        var bytes: [UInt8] = []
        while true {
            let more = readSome()
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }

    /// Writes all of `bytes`, in as many calls as it takes.
    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { buffer in
                unsafe Glibc.write(number, buffer.baseAddress, buffer.count)
            }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw SystemError(call: "write", code: errno) }
            rest = rest.dropFirst(written)
        }
    }

    private static func opened(_ path: String, _ flags: Int32) throws -> Descriptor {
        let number = unsafe open(path, flags, 0o600)
        guard number >= 0 else { throw SystemError(call: "open \(path)", code: errno) }
        return Descriptor(adopting: number)
    }
}

/// A system call that failed, with the reason that the system gave.
public struct SystemError: Error, CustomStringConvertible {
    /// The call, and its object where that helps.
    public let call: String
    /// The `errno` value.
    public let code: Int32

    /// One sentence fit for a person.
    public var description: String {
        "\(call): \(unsafe String(cString: strerror(code)))"
    }
}

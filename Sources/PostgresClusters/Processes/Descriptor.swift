import Glibc

/// An open file descriptor that is closed with its last reference and never inherited by a child.
///
/// Every descriptor is opened with close-on-exec. Setting the flag later would race with a spawn on
/// another thread, and a child with a copy of a writing end would prevent the end of file.
package final class Descriptor: Sendable {
    let number: Int32

    /// Takes over an open descriptor, which has close-on-exec set.
    package init(adopting number: Int32) {
        self.number = number
    }

    deinit {
        _ = close(number)
    }

    /// Opens a file for appending; creates it for its owner only if it is missing.
    package static func appending(to path: String) throws -> Descriptor {
        try opened(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC)
    }

    /// Opens an existing file to overwrite its beginning.
    static func overwriting(_ path: String) throws -> Descriptor {
        try opened(path, O_WRONLY | O_CLOEXEC)
    }

    /// Creates an unnamed file, for a child's output or input.
    static func anonymousFile() throws -> Descriptor {
        let path = "/tmp/.tandem-\(UInt64.random(in: .min ... .max))"
        let file = try opened(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC)
        unsafe unlink(path)
        return file
    }

    /// Creates two connected ends: a socket pair, since `pipe` cannot set close-on-exec.
    static func connectedPair() throws -> (parent: Descriptor, child: Descriptor) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw SystemError(call: "socketpair", code: errno)
        }
        return (Descriptor(adopting: ends[0]), Descriptor(adopting: ends[1]))
    }

    /// Reads up to 64 KiB; empty at the end of file.
    func readSome() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            var got: Int
            repeat {
                got = unsafe read(number, buffer.baseAddress, buffer.count)
            } while got < 0 && errno == EINTR
            // An error on a socket means that the peer is gone, like the end of file.
            count = max(got, 0)
        }
    }

    /// The length of a file in bytes.
    var length: Int {
        Int(lseek(number, 0, SEEK_END))
    }

    /// Moves to the beginning of a file.
    func rewind() {
        _ = lseek(number, 0, SEEK_SET)
    }

    /// Reads a file from its beginning.
    func readWhole() -> String {
        rewind()
        var bytes: [UInt8] = []
        while true {
            let more = readSome()
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }

    /// Writes all bytes.
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

/// A failed system call.
package struct SystemError: Error, CustomStringConvertible {
    /// The call, with its object if that helps.
    package let call: String
    /// The `errno` value.
    package let code: Int32

    /// A message for people.
    package var description: String {
        "\(call): \(unsafe String(cString: strerror(code)))"
    }
}

import CMicrohttpd
import Glibc

/// The C functions that libmicrohttpd calls. They live in a library target: written in a program's
/// main file they would belong to the main actor, and crash on another thread.
enum Callbacks {
    static let access: MHD_AccessHandlerCallback = {
        context, connection, _, method, version, data, size, slot in
        guard let server = Server.from(context), let connection, let method, let version,
            let size, let slot, let exchange = Exchange.from(slot.pointee)
        else { return .NO }
        return server.access(
            exchange, connection, String(cString: method), String(cString: version),
            UnsafeRawBufferPointer(start: data, count: size.pointee), size)
    }

    /// Called with the raw target once the request line is complete; its result is the request's
    /// context from then on.
    static let target:
        @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) ->
            UnsafeMutableRawPointer? = { _, target, _ in
                let text = target.map { String(cString: $0) } ?? ""
                return Unmanaged.passRetained(Exchange(target: text)).toOpaque()
            }

    /// Leaves the target as it came.
    static let unescape:
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
        ) -> Int = { _, _, text in text.map { strlen($0) } ?? 0 }

    static let completed: MHD_RequestCompletedCallback = { context, connection, slot, _ in
        guard let slot, let pointer = slot.pointee else { return }
        let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue()
        slot.pointee = nil
        guard let server = Server.from(context), let connection else { return }
        server.completed(exchange, connection)
    }

    static let connection: MHD_NotifyConnectionCallback = { context, connection, _, event in
        guard let server = Server.from(context), let connection else { return }
        let socket = cmhd_socket(connection)
        if event == .CONNECTION_NOTIFY_STARTED {
            server.keeper.set(socket, within: server.configuration.headerTimeout)
        } else {
            server.keeper.remove(socket)
        }
    }
}

extension Server {
    static func from(_ context: UnsafeMutableRawPointer?) -> Server? {
        context.map { Unmanaged<Server>.fromOpaque($0).takeUnretainedValue() }
    }
}

extension Exchange {
    static func from(_ context: UnsafeMutableRawPointer?) -> Exchange? {
        context.map { Unmanaged<Exchange>.fromOpaque($0).takeUnretainedValue() }
    }
}

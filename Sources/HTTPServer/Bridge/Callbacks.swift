import CMicrohttpd
import Glibc

/// The C functions that libmicrohttpd calls.
///
/// They must be in a library target: in a program's main file they would belong to the main actor,
/// and crash on another thread.
enum Callbacks {
    static let access: MHD_AccessHandlerCallback = {
        context, connection, url, method, version, data, size, slot in
        guard let server = unsafe Server.from(context), let connection = unsafe connection,
            let url = unsafe url, let method = unsafe method,
            let version = unsafe version, let size = unsafe size, let slot = unsafe slot,
            let exchange = unsafe Exchange.from(slot.pointee)
        else { return .NO }
        guard exchange.hasBegun else {
            exchange.hasBegun = true
            return unsafe server.begin(
                exchange, on: connection,
                head: RequestHead(
                    connection, method: method, url: url, version: version,
                    target: exchange.target))
        }
        return unsafe server.access(
            exchange, on: connection,
            data: UnsafeRawBufferPointer(start: data, count: size.pointee), size: size)
    }

    /// Called with the raw target once the request line is complete; its result is the request's
    /// context from then on.
    static let target:
        @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) ->
            UnsafeMutableRawPointer? = { context, target, connection in
                let text = unsafe target.map { unsafe String(cString: $0) } ?? ""
                var socket: Int32 = -1
                if let server = unsafe Server.from(context), let connection = unsafe connection {
                    unsafe socket = cmhd_socket(connection)
                    // The response before is over, and this one has not begun: the deadline may send.
                    server.deadlines.sendTimeoutResponse(to: socket)
                    server.targetStart = Int(bitPattern: target)
                    server.targetRead()
                }
                if let target = unsafe target { unsafe hideArguments(of: target) }
                let exchange = Exchange(target: text, socket: socket)
                return unsafe Unmanaged.passRetained(exchange).toOpaque()
            }

    /// Ends the query after its question mark, once it has been read, so that libmicrohttpd finds
    /// no arguments in it.
    ///
    /// libmicrohttpd would keep a record of each argument, which nothing here uses, in the
    /// connection's memory. When some 500 short ones fill it, it forgets that it has queued a
    /// response and waits for ever. The byte may be written: libmicrohttpd itself puts a NUL over the
    /// question mark as soon as this returns. Without a query, the byte is the target's own NUL.
    private static func hideArguments(of target: UnsafePointer<CChar>) {
        guard let mark = unsafe strchr(target, Int32(UInt8(ascii: "?"))) else { return }
        unsafe mark[1] = 0
    }

    /// Leaves the target as it came.
    ///
    /// An argument comes here only if a NUL in the target hid it. No response can be queued yet, and
    /// many arguments would leave no memory for one; so this sends its own at once.
    static let unescape:
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
        ) -> Int = { context, connection, text in
            guard let text = unsafe text else { return 0 }
            if let server = unsafe Server.from(context), let connection = unsafe connection,
                Int(bitPattern: text) != server.targetStart
            {
                unsafe server.deadlines.close(
                    cmhd_socket(connection), sending: server.brokenTargetResponse,
                    over: cmhd_tls_session(connection))
            }
            return unsafe strlen(text)
        }

    static let completed: MHD_RequestCompletedCallback = { context, _, slot, _ in
        guard let slot = unsafe slot, let pointer = unsafe slot.pointee else { return }
        let exchange = unsafe Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue()
        unsafe slot.pointee = nil
        unsafe Server.from(context)?.completed(exchange)
    }

    static let connection: MHD_NotifyConnectionCallback = { context, connection, _, event in
        guard let server = unsafe Server.from(context), let connection = unsafe connection else {
            return
        }
        let socket = unsafe cmhd_socket(connection)
        if event == .CONNECTION_NOTIFY_STARTED {
            server.deadlines.set(socket, within: server.configuration.headerTimeout)
            server.configuration.certificate?.insert(socket)
        } else {
            server.deadlines.remove(socket)
            server.configuration.certificate?.remove(socket)
        }
    }
}

extension Server {
    static func from(_ context: UnsafeMutableRawPointer?) -> Server? {
        unsafe context.map { unsafe Unmanaged<Server>.fromOpaque($0).takeUnretainedValue() }
    }
}

extension Exchange {
    static func from(_ context: UnsafeMutableRawPointer?) -> Exchange? {
        unsafe context.map { unsafe Unmanaged<Exchange>.fromOpaque($0).takeUnretainedValue() }
    }
}

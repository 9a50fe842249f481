import EventLoop

extension ConnectionPool {
    /// Opens as many connections as are needed and allowed.
    func grow() {
        guard !isClosed, backoffTimer == nil else { return }
        let wanted = max(waiters.count + demanded, configuration.minimumIdle - idle.count)
        let room = configuration.size - members.count - connectingCount
        // While the server fails, one attempt at a time is enough to find out whether it still does.
        let isProbing = failuresInARow > 0
        let allowed = isProbing ? min(room, 1 - connectingCount) : room
        for _ in 0..<max(0, min(wanted - connectingCount, allowed)) { startAttempt() }
    }

    private func startAttempt() {
        lastAttempt += 1
        let number = lastAttempt
        // An unstructured task does not inherit the preference for the loop.
        attempts[number] = Task(executorPreference: loop) {
            await self.attempt(number)
        }
    }

    private func attempt(_ number: Int) async {
        do {
            let connection = try await PostgresConnection.connect(
                options, timeout: configuration.connectTimeout,
                statementsMax: configuration.statementsMax, loop: loop, prepare: prepare)
            attempts[number] = nil
            adopt(connection)
        } catch {
            attempts[number] = nil
            note(error)
        }
        endClosingIfDone()
    }

    private func adopt(_ connection: PostgresConnection) {
        failuresInARow = 0
        isFiredNow = false
        lastFailure = nil
        if isClosed { return connection.close() }
        let identity = ObjectIdentifier(connection)
        members[identity] = connection
        connection.membership = PoolMembership(pool: self, born: loop.now, idleSince: loop.now)
        connection.onCloseInPool = { [weak self] _ in self?.lost(identity) }
        observer?.connectionOpened()
        becameIdle(connection)
        // After a failure only one attempt was made; now the others can follow.
        grow()
    }

    private func note(_ error: any Error) {
        // An attempt that a closed pool gives up says nothing about the server.
        guard !isClosed else { return }
        observer?.connectionFailed(error)
        if !isFiredNow { failuresInARow += 1 }
        isFiredNow = false
        lastFailure = Failure(error: error, at: loop.now)
        if backoffTimer == nil {
            backoffTimer = loop.schedule(
                after: configuration.backoff(after: failuresInARow, using: &generator)
            ) { [weak self] in
                self?.backoffTimer = nil
                self?.grow()
            }
        }
        let waiting = waiters.removeAll()
        for entry in waiting where !entry.isHasty { waiters.append(entry) }
        // Whatever these do next, and if it is to wait again, comes after the others.
        for entry in waiting where entry.isHasty { entry.waiter.finish(.failure(reasonForNone)) }
        onFailure?()
    }

    /// A member ended, by itself or because it was discarded.
    private func lost(_ identity: ObjectIdentifier) {
        members.removeValue(forKey: identity)?.membership = nil
        observer?.connectionClosed()
        idle.removeAll { ObjectIdentifier($0) == identity }
        grow()
        endClosingIfDone()
    }

    /// A member can be lent: to the call that has waited longest, else to the next one.
    func becameIdle(_ connection: PostgresConnection) {
        if let (waiter, _, since) = waiters.popFirst() {
            observer?.leaseGiven(after: since.duration(to: loop.now))
            waiter.finish(.success(connection))
            return
        }
        demanded = max(0, demanded - 1)
        if configuration.idleTimeout != nil { connection.membership?.idleSince = loop.now }
        idle.append(connection)
        scheduleSweep()
        onIdle?()
    }

    func endClosingIfDone() {
        guard isClosed, members.isEmpty, connectingCount == 0 else { return }
        for waiter in closeWaiters { waiter.resume() }
        closeWaiters = []
    }
}

extension ConnectionPool {
    /// Checks the idle connections at intervals, as long as there are any.
    private func scheduleSweep() {
        guard sweepTimer == nil, !isClosed, let shortest = configuration.shortestTime
        else { return }
        sweepTimer = loop.schedule(after: max(shortest / 4, .milliseconds(10))) {
            [weak self] in
            self?.sweepTimer = nil
            self?.sweep()
        }
    }

    private func sweep() {
        let now = loop.now
        // The first in the list have been idle for longest. Closing one takes it off the list.
        for connection in idle {
            guard let member = connection.membership else { continue }
            let isIdleTooLong = configuration.idleTimeout.map {
                member.idleSince.duration(to: now) >= $0
            }
            let isSpare = idle.count > configuration.minimumIdle
            if isTooOld(member) || (isSpare && isIdleTooLong == true) { connection.close() }
        }
        if !idle.isEmpty { scheduleSweep() }
    }
}

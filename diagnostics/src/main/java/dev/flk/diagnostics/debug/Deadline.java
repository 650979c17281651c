// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnostics.debug;

import java.io.Closeable;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Closes a connection that takes too long. The socket's own time-outs bound each read, and no write. */
final class Deadline implements Closeable {
    private static final long REQUEST_SECONDS = Duration.ofMinutes(1).toSeconds();

    private final Socket socket;
    private CompletableFuture<Void> end;

    Deadline(Socket socket) {
        this.socket = socket;
        this.end = in(REQUEST_SECONDS);
    }

    /** From now on it has a minute again, after so many seconds. */
    void postpone(long seconds) {
        end.cancel(false);
        end = in(seconds + REQUEST_SECONDS);
    }

    private CompletableFuture<Void> in(long seconds) {
        return CompletableFuture.runAsync(this::cutOff, CompletableFuture.delayedExecutor(seconds, TimeUnit.SECONDS));
    }

    private void cutOff() {
        try {
            socket.close();
        } catch (IOException e) {
            // it is closed all the same
        }
    }

    @Override
    public void close() {
        end.cancel(false);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnostics.debug;

import java.io.Closeable;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Shows threads and memory of this JVM, and makes flight recordings, on a port of 127.0.0.1. {@value #MOST_CONNECTIONS} connections at
 * a time, each for one request and with a thread of its own; the kernel holds a few more, and refuses the rest. Who does not finish
 * within a minute, the recording not counted, is cut off. Who opens it closes it; that ends a recording, too.
 */
public final class DebugServer implements Closeable {
    static final int MOST_CONNECTIONS = 4;
    private static final int BACKLOG = 8;

    private final ServerSocket server;
    private final DebugPages pages;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final List<Thread> threads = new ArrayList<>();

    private DebugServer(ServerSocket server) {
        this.server = server;
        this.pages = new DebugPages(server.getLocalPort());
    }

    /**
     * Listens; port 0 takes a free one.
     *
     * @throws IOException naming {@code DEBUG_PORT} if it can't be had
     */
    public static DebugServer start(int port) throws IOException {
        ServerSocket server = new ServerSocket();
        try {
            server.bind(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), port), BACKLOG);
        } catch (BindException e) {
            server.close();
            throw new IOException("DEBUG_PORT " + port + " can't be used: " + e.getMessage() + "; choose another", e);
        }
        DebugServer debug = new DebugServer(server);
        for (int i = 1; i <= MOST_CONNECTIONS; i++) {
            Thread thread = new Thread(debug::serve, "debug-" + i);
            thread.setDaemon(true);
            debug.threads.add(thread);
        }
        debug.threads.forEach(Thread::start);
        return debug;
    }

    /** The port it listens on. */
    public int port() {
        return server.getLocalPort();
    }

    private void serve() {
        while (!server.isClosed()) {
            try (Socket socket = server.accept()) {
                open.add(socket);
                try (Deadline deadline = new Deadline(socket)) {
                    pages.answer(socket, deadline);
                } finally {
                    open.remove(socket);
                }
            } catch (IOException e) {
                // the connection is gone, or the server is closed: there is nobody to tell
            } catch (IllegalStateException | IllegalArgumentException e) {
                // a request that nobody has thought of must not take its thread with it
            }
        }
    }

    /** Cuts off whatever is under way. */
    @Override
    public void close() throws IOException {
        server.close();
        pages.close();
        for (Socket socket : open) {
            socket.close();
        }
    }
}

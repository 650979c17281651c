// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A proxy on loopback that simulates faults of a network. {@link #start} must be called once. */
public abstract class TestProxy implements AutoCloseable {
    private final ServerSocket listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final int to;

    /** @param to the port of the server on loopback */
    protected TestProxy(int to) throws IOException {
        this.to = to;
    }

    /** A part of the work that ends with an exception when one end of a connection is closed. */
    protected interface Step {
        void run() throws IOException;
    }

    /** Runs a step on a thread of its own. */
    protected static void begin(Step step) {
        Thread thread = new Thread(() -> {
            try {
                step.run();
            } catch (IOException e) {
                // one end of the connection was closed
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Starts to accept connections. */
    protected final void start() {
        begin(() -> {
            while (true) {
                Socket client = listening.accept();
                open.add(client);
                begin(() -> serve(client));
            }
        });
    }

    /** Serves a connection on a thread of its own. */
    protected abstract void serve(Socket client) throws IOException;

    /** Returns a new connection to the server. */
    protected final Socket connect() throws IOException {
        Socket server = new Socket(InetAddress.getLoopbackAddress(), to);
        open.add(server);
        return server;
    }

    /** Closes all connections. */
    protected final void closeConnections() throws IOException {
        for (Socket socket : open) {
            socket.close();
        }
    }

    public final int port() {
        return listening.getLocalPort();
    }

    @Override
    public void close() throws IOException {
        listening.close();
        closeConnections();
    }
}

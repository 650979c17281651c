// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A proxy to a port on loopback that simulates a network which loses answers and connections. */
public final class CuttingProxy implements AutoCloseable {
    private final int to;
    private final ServerSocket listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final AtomicInteger refused = new AtomicInteger();
    private volatile boolean holdsAnswers;
    private volatile boolean isCut;

    public CuttingProxy(int to) throws IOException {
        this.to = to;
        begin(this::accept);
    }

    private interface Step {
        void run() throws IOException;
    }

    private static void begin(Step step) {
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

    private void accept() throws IOException {
        while (true) {
            Socket client = listening.accept();
            if (isCut) {
                client.close();
                refused.incrementAndGet();
                continue;
            }
            Socket server = new Socket(InetAddress.getLoopbackAddress(), to);
            open.add(client);
            open.add(server);
            begin(() -> copy(client, server, false));
            begin(() -> copy(server, client, true));
        }
    }

    private void copy(Socket from, Socket into, boolean answers) throws IOException {
        try (from;
                into) {
            InputStream in = from.getInputStream();
            OutputStream out = into.getOutputStream();
            byte[] bytes = new byte[8_192];
            for (int read = in.read(bytes); read >= 0; read = in.read(bytes)) {
                if (!answers || !holdsAnswers) {
                    out.write(bytes, 0, read);
                }
            }
        }
    }

    public int port() {
        return listening.getLocalPort();
    }

    /** Drops all further answers. */
    void holdAnswers() {
        holdsAnswers = true;
    }

    /** Closes all connections and refuses new ones. */
    public void cut() throws IOException {
        isCut = true;
        for (Socket socket : open) {
            socket.close();
        }
    }

    /** Returns the number of connections that were refused. */
    int refused() {
        return refused.get();
    }

    /** Accepts connections and forwards answers again. */
    public void pass() {
        holdsAnswers = false;
        isCut = false;
    }

    @Override
    public void close() throws IOException {
        listening.close();
        cut();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.http.testing.TestProxy;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/** A proxy to a port on loopback that simulates a network which loses answers and connections. */
public final class CuttingProxy extends TestProxy {
    private final AtomicInteger refused = new AtomicInteger();
    private volatile boolean holdsAnswers;
    private volatile boolean isCut;

    public CuttingProxy(int to) throws IOException {
        super(to);
        start();
    }

    @Override
    protected void serve(Socket client) throws IOException {
        if (isCut) {
            client.close();
            refused.incrementAndGet();
            return;
        }
        Socket server = connect();
        begin(() -> copy(client, server, false));
        copy(server, client, true);
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

    /** Drops all further answers. */
    void holdAnswers() {
        holdsAnswers = true;
    }

    /** Closes all connections and refuses new ones. */
    public void cut() throws IOException {
        isCut = true;
        closeConnections();
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
}

// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.load;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** A request on its way out. */
final class OutBuffer {
    private ByteBuffer rest = ByteBuffer.allocate(0);

    void set(byte[] request) {
        rest = ByteBuffer.wrap(request);
    }

    /** Writes what the socket takes; whether that was all. */
    boolean writeTo(SocketChannel channel) throws IOException {
        if (rest.hasRemaining()) {
            channel.write(rest);
        }
        return !rest.hasRemaining();
    }
}

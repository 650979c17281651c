// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.metrics.TlsFailure;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.net.InetSocketAddress;
import javax.net.ssl.SSLException;

/**
 * Stands behind TLS on a connection: tells how its handshake failed, once, and keeps what a client does wrong with TLS from what
 * comes after, where it would look like a fault of ours. Owned by the event loop of the connection.
 */
final class HandshakeWatch extends ChannelInboundHandlerAdapter {
    private final TlsFailures failures;
    private final InetSocketAddress client;
    private boolean hasBegun;
    private boolean isOver;
    private boolean hasObjected;

    HandshakeWatch(TlsFailures failures, InetSocketAddress client) {
        this.failures = failures;
        this.client = client;
    }

    /** The client has sent a first byte of TLS. */
    void begins() {
        hasBegun = true;
    }

    /** Whether the handshake has failed by what one side said, and not since the client went away. */
    boolean hasObjected() {
        return hasObjected;
    }

    /** The client has sent something else. */
    void isNoTls() {
        isOver = true;
        failures.tell(TlsFailure.NO_TLS, client, "what came is plain HTTP, or no TLS at all");
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
        if (event instanceof SslHandshakeCompletionEvent end && !isOver) {
            isOver = true;
            if (!end.isSuccess()) {
                hasObjected = end.cause() instanceof SSLException;
                failures.tell(end.cause(), client, hasBegun);
            }
        }
        triggered.fireUserEventTriggered(event);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext caught, Throwable cause) {
        if (cause instanceof SSLException
                || (cause instanceof DecoderException && cause.getCause() instanceof SSLException)) {
            var unused = caught.close();
        } else {
            caught.fireExceptionCaught(cause);
        }
    }
}

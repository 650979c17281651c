// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.ProtocolDetectionState;
import io.netty.handler.codec.haproxy.HAProxyMessage;
import io.netty.handler.codec.haproxy.HAProxyMessageDecoder;
import io.netty.handler.codec.haproxy.HAProxyProtocolException;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads the header of the PROXY protocol (version 1 or 2) with which a trusted proxy begins a connection, and then serves
 * the connection as one from the client that the header names. A connection without a header, such as a check of the
 * proxy's own, is served as one from the proxy. Source of the format: HAProxy, doc/proxy-protocol.txt.
 */
final class ProxyFront extends ChannelInboundHandlerAdapter {
    /** The longest header of version 1, with its end of line. */
    private static final int MOST_TEXT = 107;
    /** The part of a header of version 2 before the bytes that it counts, and the most bytes that are accepted after it. */
    private static final int FIXED_BYTES = 16;

    private static final int LENGTH_AT = 14;
    private static final int MOST_COUNTED = 2_048;

    private final Consumer<SocketAddress> serve;
    private final ByteBuf read = Unpooled.buffer();
    private final Future<?> timeout;

    private ProxyFront(Channel channel, Duration within, Consumer<SocketAddress> serve) {
        this.serve = serve;
        this.timeout =
                channel.eventLoop().schedule((Runnable) channel::close, within.toMillis(), TimeUnit.MILLISECONDS);
    }

    /**
     * Begins to read. Called on the event loop of the channel.
     *
     * @param within the time after which a connection without a whole header is closed
     * @param serve adds the handlers of the connection of a client with an address
     */
    static void addTo(Channel channel, Duration within, Consumer<SocketAddress> serve) {
        channel.pipeline().addLast(new ProxyFront(channel, within, serve));
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        ByteBuf bytes = (ByteBuf) message;
        read.writeBytes(bytes);
        bytes.release();
        ProtocolDetectionState state =
                HAProxyMessageDecoder.detectProtocol(read).state();
        if (state == ProtocolDetectionState.INVALID) {
            begin(context, context.channel().remoteAddress());
        } else if (state == ProtocolDetectionState.DETECTED) {
            int length = headerBytes();
            if (length < 0) {
                context.close();
            } else if (read.readableBytes() >= length && length > 0) {
                SocketAddress client = client(read.readBytes(length), context.channel());
                if (client == null) {
                    context.close();
                } else {
                    begin(context, client);
                }
            }
        }
    }

    /** Returns the length of the header; 0 if it is not known yet, -1 if it is too long. */
    private int headerBytes() {
        if (read.getByte(0) == 'P') {
            int end = ByteBufUtil.indexOf(Unpooled.wrappedBuffer("\r\n".getBytes(StandardCharsets.US_ASCII)), read);
            return end >= 0 && end + 2 <= MOST_TEXT ? end + 2 : read.readableBytes() >= MOST_TEXT ? -1 : 0;
        }
        if (read.readableBytes() < FIXED_BYTES) {
            return 0;
        }
        int counted = read.getUnsignedShort(LENGTH_AT);
        return counted > MOST_COUNTED ? -1 : FIXED_BYTES + counted;
    }

    /** Returns the address in a header, or that of the proxy if it names none; null if the header is not valid. */
    private static @Nullable SocketAddress client(ByteBuf header, Channel channel) {
        EmbeddedChannel decoder = new EmbeddedChannel(new HAProxyMessageDecoder());
        try {
            decoder.writeInbound(header);
            HAProxyMessage message = decoder.readInbound();
            try {
                String address = message.sourceAddress();
                return address == null
                        ? channel.remoteAddress()
                        : new InetSocketAddress(address, message.sourcePort()); // a literal, so no name is looked up
            } finally {
                message.release();
            }
        } catch (HAProxyProtocolException e) {
            return null;
        } finally {
            decoder.finishAndReleaseAll();
        }
    }

    private void begin(ChannelHandlerContext context, SocketAddress client) {
        timeout.cancel(false);
        Channel channel = context.channel();
        ByteBuf rest = read.readBytes(read.readableBytes());
        channel.pipeline().remove(this);
        serve.accept(client);
        if (rest.isReadable()) {
            channel.pipeline().fireChannelRead(rest).fireChannelReadComplete();
        } else {
            rest.release();
        }
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        timeout.cancel(false);
        read.release();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.limit;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.nio.ByteBuffer;

/**
 * The sender of a connection: its address, and whether it has shown recently that it has a key. One object exists per
 * connection. If two threads set {@code showedKey} at once, one of the two values may be lost.
 */
public final class Submitter {
    /**
     * The upper half of the long that encodes an IPv4 address. An IPv6 network with these bits would be for multicast,
     * which no sender has. Therefore, an IPv4 address and an IPv6 network never have the same encoding.
     */
    private static final long IPV4 = 0xFFFF_FFFF_0000_0000L;

    private static final int MAPPED_BYTES = 12;

    private final InetAddress address;
    private final long network;

    /**
     * Whether the sender has sent a new certificate with a good signature since its last failure. Duplicates do not
     * change this, unless the look-up in the store fails.
     */
    private volatile boolean showedKey;

    private Submitter(InetAddress address) {
        this.address = address;
        this.network = network(address);
    }

    /** Returns a sender with this address. */
    public static Submitter from(InetAddress address) {
        return new Submitter(address);
    }

    /**
     * Returns the network that counts as one sender, encoded as a long. For IPv4, including IPv4 mapped to IPv6, the
     * network is the address. For IPv6, it is the first 64 bits of the address, because a network of this size usually
     * belongs to one subscriber.
     */
    private static long network(InetAddress address) {
        ByteBuffer bytes = ByteBuffer.wrap(address.getAddress());
        if (address instanceof Inet4Address) {
            return IPV4 | Integer.toUnsignedLong(bytes.getInt());
        }
        if (bytes.getLong(0) == 0 && bytes.getInt(Long.BYTES) == 0x0000_FFFF) {
            return IPV4 | Integer.toUnsignedLong(bytes.getInt(MAPPED_BYTES));
        }
        return bytes.getLong();
    }

    /** Returns the address as text. */
    public String address() {
        return address.getHostAddress();
    }

    /**
     * Returns the network that counts as one sender, encoded as a long: an IPv4 address, or the first 64 bits of an
     * IPv6 address.
     */
    public long network() {
        return network;
    }

    /** Returns whether the sender has sent something new and signed since its last failure. */
    public boolean showedKey() {
        return showedKey;
    }

    void failed() {
        showedKey = false;
    }

    void sentNew() {
        showedKey = true;
    }
}

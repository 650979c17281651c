// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.nio.ByteBuffer;

/**
 * Who sends: a connection, with the address it comes from, and whether it has shown a key. Made once per connection. Where two threads
 * write at once, one may be forgotten.
 */
public final class Submitter {
    /** No IPv6 address that sends begins like this, so that no IPv4 address is taken for a network of IPv6. */
    private static final long IPV4 = 0xFFFF_FFFF_0000_0000L;

    private static final int MAPPED_BYTES = 12;

    private final InetAddress address;
    private final long network;

    /** Whether something new came that a known key had signed, and nothing since that took none; what is sent again changes nothing. */
    private volatile boolean showedKey;

    private Submitter(InetAddress address) {
        this.address = address;
        this.network = network(address);
    }

    /** Whoever sends from this address. */
    public static Submitter from(InetAddress address) {
        return new Submitter(address);
    }

    /** What counts as one address: all of IPv4, the first 64 bits of IPv6, which belong to one subscriber. */
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

    /** The address as it is written. */
    public String address() {
        return address.getHostAddress();
    }

    /** What counts as one sender: an IPv4 address, or the first half of an IPv6 one. */
    public long network() {
        return network;
    }

    boolean showedKey() {
        return showedKey;
    }

    void failed() {
        showedKey = false;
    }

    void sentNew() {
        showedKey = true;
    }
}

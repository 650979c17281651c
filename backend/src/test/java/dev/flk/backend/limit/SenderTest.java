// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.junit.jupiter.api.Test;

final class SenderTest {
    private static Sender of(String address) throws UnknownHostException {
        return Sender.from(InetAddress.getByName(address));
    }

    @Test
    void ipv4_isOneAddressEach() throws Exception {
        assertThat(of("10.1.2.3").network()).isEqualTo(of("10.1.2.3").network());
        assertThat(of("10.1.2.3").network()).isNotEqualTo(of("10.1.2.4").network());
        assertThat(of("10.1.2.3").address()).isEqualTo("10.1.2.3");
    }

    @Test
    void ipv6_isOneForTheFirst64Bits() throws Exception {
        assertThat(of("2001:db8:1:2::1").network())
                .isEqualTo(of("2001:db8:1:2:ffff::9").network());
        assertThat(of("2001:db8:1:2::1").network())
                .isNotEqualTo(of("2001:db8:1:3::1").network());
    }

    @Test
    void ipv4InIpv6_isTheSameAddress() throws Exception {
        byte[] mapped = new byte[16];
        mapped[10] = (byte) 0xff;
        mapped[11] = (byte) 0xff;
        mapped[12] = 10;
        mapped[15] = 7;
        // as a socket of both families has it
        Inet6Address address = Inet6Address.getByAddress(null, mapped, 0);
        assertThat(Sender.from(address).network()).isEqualTo(of("10.0.0.7").network());
    }
}

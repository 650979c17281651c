// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TrustedProxiesTest {
    private static boolean contains(String proxies, String address) throws UnknownHostException {
        return TrustedProxies.parse(proxies).contains(InetAddress.getByName(address));
    }

    @Test
    void contains_addressesAndNetworks() throws Exception {
        assertThat(contains("", "127.0.0.1")).isFalse();
        assertThat(contains("127.0.0.1, 10.1.0.0/16", "127.0.0.1")).isTrue();
        assertThat(contains("127.0.0.1, 10.1.0.0/16", "10.1.255.1")).isTrue();
        assertThat(contains("127.0.0.1, 10.1.0.0/16", "10.2.0.1")).isFalse();
        assertThat(contains("fd00::/8,::1", "fd12::1")).isTrue();
        assertThat(contains("fd00::/8,::1", "10.0.0.1")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"proxy.example", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "*"})
    void parse_otherText_isRefused(String text) {
        assertThatThrownBy(() -> TrustedProxies.parse("127.0.0.1," + text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(text);
    }
}

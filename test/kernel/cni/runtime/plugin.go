// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

type conf struct {
	types.PluginConf
	// The lists or single plugins to which a meta-plugin such as Multus delegates.
	Delegates []json.RawMessage `json:"delegates"`
}

// plugin stands in for any plugin: it gives an address, passes on its input, or calls its delegates.
func plugin() int {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = answerTo(os.Getenv("CNI_COMMAND"), text)
	}
	if err == nil {
		return 0
	}
	json.NewEncoder(os.Stdout).Encode(types.NewError(types.ErrInternal, err.Error(), ""))
	return 1
}

func answerTo(command string, text []byte) error {
	if command == "VERSION" {
		return version.All.Encode(os.Stdout)
	}
	var c conf
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	if err := version.ParsePrevResult(&c.PluginConf); err != nil {
		return err
	}
	if len(c.Delegates) > 0 {
		return delegate(command, c)
	}
	if command != "ADD" {
		return nil
	}
	result := c.PrevResult
	if result == nil {
		_, address, _ := net.ParseCIDR("10.1.2.3/24")
		result = &types100.Result{CNIVersion: types100.ImplementedSpecVersion, IPs: []*types100.IPConfig{{Address: *address}}}
	}
	return types.PrintResult(result, c.CNIVersion)
}

func delegate(command string, c conf) error {
	name, err := os.Executable()
	if err != nil {
		return err
	}
	list, err := libcni.ConfListFromBytes(c.Delegates[0])
	if err != nil {
		single, err := libcni.ConfFromBytes(c.Delegates[0])
		if err != nil {
			return err
		}
		if list, err = libcni.ConfListFromConf(single); err != nil {
			return err
		}
	}
	cni := libcni.NewCNIConfigWithCacheDir([]string{filepath.Dir(name)}, os.TempDir(), nil)
	id := os.Getenv("CNI_CONTAINERID")
	if command != "ADD" {
		return cni.DelNetworkList(ctx, list, runtimeConf(id))
	}
	result, err := cni.AddNetworkList(ctx, list, runtimeConf(id))
	if err != nil {
		return fmt.Errorf("delegate: %w", err)
	}
	return types.PrintResult(result, c.CNIVersion)
}

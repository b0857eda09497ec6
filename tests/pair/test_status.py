"""crm_mon's XML, as a real pair printed it, read into what callers ask."""

from k8sdeployment.pair.status import Fence, parse

HEAD = """
<pacemaker-result api-version="2.25">
  <summary><current_dc present="true" name="site-b" with_quorum="{}"/></summary>""".lstrip()
NODES = """
  <nodes>
    <node name="site-a" online="{}" standby="false" maintenance="false" pending="{}" unclean="{}"/>
    <node name="site-b" online="true" standby="false" maintenance="false" pending="false" unclean="false"/>
  </nodes>"""
RESOURCES = """
  <resources>
    <resource id="fence-site-a-1" role="Started" active="true" blocked="false" failed="false">
      <node name="site-b" id="2" cached="true"/>
    </resource>
    <group id="shop">
      <resource id="app" role="{}" active="true" blocked="false" failed="false">{}</resource>
    </group>
  </resources>
  <failures>
    <failure op_key="app_start_0" node="site-a" exitstatus="error" exitreason="the API does not answer" call="9"/>
  </failures>
  <fence_history>
    <fence_event action="reboot" target="site-a" status="success" delegate="site-b" completed="2026-11-22 20:19:59Z"/>
  </fence_history>
</pacemaker-result>"""
ON_B = '<node name="site-b" id="2"/>'


def xml(quorum: str = "true", online: str = "true", pending: str = "false", unclean: str = "false",
        role: str = "Started", nodes: str = ON_B) -> str:
    return HEAD.format(quorum) + NODES.format(online, pending, unclean) + RESOURCES.format(role, nodes)


def test_a_whole_pair() -> None:
    seen = parse(xml())
    assert seen.all_online()
    assert seen.where("app") == "site-b"
    assert seen.where("nothing") is None
    assert seen.failures == ("app_start_0 site-a error the API does not answer",)
    assert seen.fences == (Fence("site-a", "reboot", "success", "2026-11-22 20:19:59Z"),)


def test_not_whole_without_quorum_or_with_a_site_that_is_not_a_full_member() -> None:
    assert not parse(xml(quorum="false")).all_online()
    assert not parse(xml(online="false")).all_online()
    assert not parse(xml(pending="true")).all_online()
    assert not parse(xml(unclean="true")).all_online()


def test_nowhere_while_moving_or_on_both() -> None:
    assert parse(xml(role="Starting")).where("app") is None
    assert parse(xml(role="Stopped", nodes="")).where("app") is None
    assert parse(xml(nodes=ON_B + '<node name="site-a" id="1"/>')).where("app") is None


def test_a_site_without_a_coordinator_is_not_quorate() -> None:
    text = '<pacemaker-result><summary><current_dc present="false"/></summary></pacemaker-result>'
    assert not parse(text).quorate
    assert not parse(text).all_online()

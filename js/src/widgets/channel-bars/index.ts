import { defineView } from "../../shared/view.tsx";
import { ChannelBars } from "./view.tsx";

export default defineView("channel-bars", ChannelBars);
